package web

import (
	"errors"
	"net/http"
)

// Kind says what an error asks of the caller. The zero value blames the server.
type Kind string

// The kinds, as JSON has them.
const (
	Failed    Kind = ""          // the server could not; its log says why
	Invalid   Kind = "invalid"   // the caller wrote nonsense
	NotFound  Kind = "not-found" // there is no such thing
	Conflict  Kind = "conflict"  // it exists already, or its state forbids this
	Temporary Kind = "temporary" // try again
	Stranger  Kind = "stranger"  // say who you are first
	Forbidden Kind = "forbidden" // not for you
)

// Error is what the administration API answers when it did not do what was asked.
type Error struct {
	Kind Kind   `json:"kind,omitempty"`
	Text string `json:"error"`
	Hint string `json:"hint,omitempty"` // what to do, for people
}

// Error is the text alone: one line for people.
func (e *Error) Error() string { return e.Text }

// status is the HTTP status of a kind, for those who look with other tools.
func (k Kind) status() int {
	switch k {
	case Invalid:
		return http.StatusBadRequest
	case NotFound:
		return http.StatusNotFound
	case Conflict:
		return http.StatusConflict
	case Temporary:
		return http.StatusServiceUnavailable
	case Stranger:
		return http.StatusUnauthorized
	case Forbidden:
		return http.StatusForbidden
	}
	return http.StatusInternalServerError
}

func writeError(w http.ResponseWriter, err error) {
	var e *Error
	if !errors.As(err, &e) {
		e = &Error{Text: err.Error()}
	}
	writeJSON(w, e.Kind.status(), e)
}
