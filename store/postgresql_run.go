package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
)

// pgRun is a transaction on a connection.
type pgRun struct {
	ctx    context.Context
	conn   *pgx.Conn
	failed error // of the first statement that failed: the server takes no other then
	rows_  *pgCursor
	ended  bool
}

func (r *pgRun) usable() error {
	if r.ended {
		return errEnded
	}
	return r.failed
}

// note keeps the first failure.
func (r *pgRun) note(err error) error {
	if err == nil {
		return nil
	}
	err = pgError(r.ctx, err)
	if r.failed == nil {
		r.failed = err
	}
	return err
}

// simple runs statements without parameters.
func (r *pgRun) simple(text string) error {
	_, err := r.conn.Exec(r.ctx, text, pgx.QueryExecModeSimpleProtocol)
	return r.note(err)
}

func (r *pgRun) script(text string) error {
	if err := r.usable(); err != nil {
		return err
	}
	return r.simple(text)
}

func (r *pgRun) lock(name string) error {
	_, err := r.exec(`SELECT pg_advisory_xact_lock(hashtextextended($1, 0))`, []any{name})
	return err
}

func (r *pgRun) exec(query string, args []any) (int64, error) {
	if err := r.usable(); err != nil {
		return 0, err
	}
	args, err := pgArgs(args)
	if err != nil {
		return 0, err
	}
	tag, err := r.conn.Exec(r.ctx, query, args...)
	return tag.RowsAffected(), r.note(err)
}

func (r *pgRun) insert(query string, args []any) (id int64, err error) {
	err = r.row(query+" RETURNING id", args, []any{&id})
	return id, err
}

func (r *pgRun) row(query string, args, dest []any) error {
	c, err := r.query(query, args)
	if err != nil {
		return err
	}
	more, err := c.next()
	if err == nil && more {
		err = c.scan(dest)
	}
	if end := c.close(); err == nil {
		err = end
	}
	if err == nil && !more {
		err = ErrNoRow
	}
	return err
}

func (r *pgRun) rows(query string, args []any) (cursor, error) { return r.query(query, args) }

func (r *pgRun) query(query string, args []any) (*pgCursor, error) {
	if err := r.usable(); err != nil {
		return nil, err
	}
	args, err := pgArgs(args)
	if err != nil {
		return nil, err
	}
	rows, err := r.conn.Query(r.ctx, query, args...)
	if err != nil {
		return nil, r.note(err)
	}
	r.rows_ = &pgCursor{run: r, rows: rows}
	return r.rows_, nil
}

// end closes the rows that the closure forgot.
func (r *pgRun) end() {
	r.ended = true
	if r.rows_ != nil {
		r.rows_.rows.Close()
	}
}

// commit asks for the commit, whatever becomes of the caller's context. Without a
// clear answer it is an error.
func (r *pgRun) commit() error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.ctx), pgCommitTime)
	defer cancel()
	tag, err := r.conn.Exec(ctx, "COMMIT", pgx.QueryExecModeSimpleProtocol)
	var refused *pgconn.PgError
	switch {
	case err == nil && tag.String() == "COMMIT":
		return nil
	case err == nil:
		err = fmt.Errorf("commit: the server answered %s", tag)
	case errors.As(err, &refused):
		err = pgError(ctx, err)
	default:
		err = fmt.Errorf("%w: %w: %w", ErrUnreachable, errUncertain, err)
	}
	r.failed = err
	return err
}

func (r *pgRun) rollback() {
	if r.conn.IsClosed() || r.conn.PgConn().TxStatus() == 'I' {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.ctx), 5*time.Second)
	defer cancel()
	if _, err := r.conn.Exec(ctx, "ROLLBACK", pgx.QueryExecModeSimpleProtocol); err != nil {
		r.conn.Close(ctx)
	}
}

// again says whether the transaction, whose commit was not asked for, may be repeated.
func (r *pgRun) again() pgAgain {
	if r.failed == nil {
		return pgNotAgain
	}
	var refused *pgconn.PgError
	if errors.As(r.failed, &refused) && !connectionEnds(refused.Code) {
		return againSoon(refused.Code)
	}
	if r.ctx.Err() == nil && errors.Is(r.failed, ErrUnreachable) {
		return pgAgainFresh
	}
	return pgNotAgain
}

// againAfterCommit is the same where the commit was asked for: only a refusal is
// certain.
func (r *pgRun) againAfterCommit() pgAgain {
	var refused *pgconn.PgError
	if errors.As(r.failed, &refused) {
		return againSoon(refused.Code)
	}
	return pgNotAgain
}

func againSoon(code string) pgAgain {
	if code == "40001" || code == "40P01" { // serialization failure, deadlock
		return pgAgainSoon
	}
	return pgNotAgain
}

// connectionEnds reports whether the server ends the connection with this code:
// shutdown, crash of another backend, not yet up.
func connectionEnds(code string) bool {
	return strings.HasPrefix(code, "57P") || strings.HasPrefix(code, "08")
}

// pgCursor walks over the rows of a query.
type pgCursor struct {
	run  *pgRun
	rows pgx.Rows
}

func (c *pgCursor) next() (bool, error) {
	more := c.rows.Next()
	return more, c.run.note(c.rows.Err())
}

func (c *pgCursor) close() error {
	c.rows.Close()
	return c.run.note(c.rows.Err())
}

// scan goes through the same assignments as the embedded engine, so that what fits
// there fits here.
func (c *pgCursor) scan(dest []any) error {
	values, err := c.rows.Values()
	if err != nil {
		return err
	}
	if len(dest) != len(values) {
		return fmt.Errorf("scan %d columns into %d places", len(values), len(dest))
	}
	for i, v := range values {
		v, err := pgValue(v)
		if err == nil {
			err = assign(dest[i], v)
		}
		if err != nil {
			return fmt.Errorf("column %d: %w", i+1, err)
		}
	}
	return nil
}

// pgValue makes what pgx decoded one of the values that assign knows.
func pgValue(v any) (any, error) {
	switch v := v.(type) {
	case []byte:
		return v, nil
	case pgtype.Numeric: // a sum of integers
		n, err := v.Int64Value()
		if err == nil && n.Valid {
			return n.Int64, nil
		}
		f, err := v.Float64Value()
		if err != nil || !f.Valid {
			return nil, err
		}
		return f.Float64, nil
	}
	return plain(v)
}

// pgArgs makes the arguments plain.
func pgArgs(args []any) ([]any, error) {
	out := make([]any, len(args))
	for i, a := range args {
		p, err := plain(a)
		if err != nil {
			return nil, fmt.Errorf("argument %d: %w", i+1, err)
		}
		if parts, ok := p.(pieces); ok {
			p = parts.join()
		}
		out[i] = p
	}
	return out, nil
}

// pgError is what the server or the way to it said, as one of the errors that callers
// tell apart.
func pgError(ctx context.Context, err error) error {
	var refused *pgconn.PgError
	if errors.As(err, &refused) {
		if kind := pgKind(refused.Code); kind != nil {
			return fmt.Errorf("%w: %w", kind, err)
		}
		return err
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var encode *pgconn.ParseConfigError
	if errors.As(err, &encode) || errors.Is(err, ErrUnsafe) || isLocal(err) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrUnreachable, err)
}

// isLocal reports an error that pgx found before it sent anything: wrong arguments.
// The connection lives, so the storage is reachable.
func isLocal(err error) bool {
	text := err.Error()
	return strings.HasPrefix(text, "expected ") || strings.HasPrefix(text, "failed to encode") || strings.HasPrefix(text, "conn busy")
}

func pgKind(code string) error {
	switch {
	case code == "53100":
		return ErrFull
	case code == "25006":
		return ErrReadOnly
	case code == "55P03", code == "40001", code == "40P01":
		return ErrBusy
	case code == "XX001", code == "XX002":
		return ErrCorrupt
	case strings.HasPrefix(code, "23"):
		return ErrConflict
	case strings.HasPrefix(code, "53"), connectionEnds(code):
		return ErrUnreachable
	}
	return nil
}
