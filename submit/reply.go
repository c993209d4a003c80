package submit

import (
	"errors"
	"fmt"

	"github.com/allgreen-mail/allgreen/mail"
)

// The answers of this package. The enhanced codes are those of the IANA registry
// (RFC 3463, RFC 5248); they never change their meaning.
var (
	formError   = answer{550, mail.EnhancedCode{Class: 5, Subject: 6, Detail: 0}}
	routeLoop   = answer{554, mail.EnhancedCode{Class: 5, Subject: 4, Detail: 6}}
	notYours    = answer{550, mail.EnhancedCode{Class: 5, Subject: 7, Detail: 1}}
	noSuchFrom  = answer{550, mail.EnhancedCode{Class: 5, Subject: 1, Detail: 8}}
	unknownUser = answer{550, mail.EnhancedCode{Class: 5, Subject: 1, Detail: 1}}
	badOption   = answer{501, mail.EnhancedCode{Class: 5, Subject: 5, Detail: 4}}
	badRcpt     = answer{553, mail.EnhancedCode{Class: 5, Subject: 1, Detail: 3}}
	badFrom     = answer{553, mail.EnhancedCode{Class: 5, Subject: 1, Detail: 7}}
	localOnly   = answer{550, mail.EnhancedCode{Class: 5, Subject: 7, Detail: 1}}
	noRelay     = answer{554, mail.EnhancedCode{Class: 5, Subject: 7, Detail: 1}}
	needsUTF8   = answer{553, mail.EnhancedCode{Class: 5, Subject: 6, Detail: 7}}
	needsTLS    = answer{550, mail.EnhancedCode{Class: 5, Subject: 7, Detail: 30}}
	nobody      = answer{554, mail.EnhancedCode{Class: 5, Subject: 5, Detail: 1}}
	noLink      = answer{550, mail.EnhancedCode{Class: 5, Subject: 7, Detail: 1}}
	suppressed  = answer{550, mail.EnhancedCode{Class: 5, Subject: 7, Detail: 1}}
	several     = answer{550, mail.EnhancedCode{Class: 5, Subject: 5, Detail: 3}}
	tooLarge    = answer{552, mail.EnhancedCode{Class: 5, Subject: 3, Detail: 4}}
	loginFirst  = answer{530, mail.EnhancedCode{Class: 5, Subject: 7, Detail: 0}}
	credentials = answer{535, mail.EnhancedCode{Class: 5, Subject: 7, Detail: 8}}
	tooMany     = answer{450, mail.EnhancedCode{Class: 4, Subject: 7, Detail: 28}}
	onHold      = answer{450, mail.EnhancedCode{Class: 4, Subject: 7, Detail: 1}}
	throttled   = answer{454, mail.EnhancedCode{Class: 4, Subject: 7, Detail: 0}}
	ourFault    = answer{451, mail.EnhancedCode{Class: 4, Subject: 3, Detail: 0}}
	accepted    = answer{250, mail.EnhancedCode{Class: 2, Subject: 0, Detail: 0}}
)

// answer is a reply without its text.
type answer struct {
	code     int
	enhanced mail.EnhancedCode
}

func refusal(a answer, format string, args ...any) mail.Reply {
	return mail.NewReply(a.code, a.enhanced, fmt.Sprintf(format, args...))
}

// replyTo is what a client is told of an error: the reply that it holds, or that it
// is our own fault and will pass.
func replyTo(err error) mail.Reply {
	var r mail.Reply
	if errors.As(err, &r) {
		return r
	}
	return refusal(ourFault, "Temporary failure here; please try again later")
}
