package testaddress

import "context"

// JudgeLeft is one look for what was left, for tests.
func (b *Book) JudgeLeft(ctx context.Context) error { return b.judgeLeft(ctx) }
