package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// Call is one thing that the administration API does: its name, what goes in and
// what comes out. Server and client share it, so they cannot disagree.
type Call[In, Out any] struct{ Name string }

// None is the absence of a parameter or a result.
type None struct{}

// callPath is where a call stands; a change that old commands could not understand
// would be v2, beside this.
const callPath = "/v1/"

// maxCall is more than any call needs; whoever may call is trusted, a mistake of
// theirs is not.
const maxCall = 1 << 20

// Do makes the call. An error of the server comes back as *Error; when nobody
// answers it is ErrNoServer.
func (c Call[In, Out]) Do(ctx context.Context, client *Client, in In) (Out, error) {
	var out Out
	body, err := json.Marshal(in)
	if err != nil {
		return out, err
	}
	answer, err := client.post(ctx, callPath+c.Name, body)
	if err != nil {
		return out, err
	}
	if err := json.Unmarshal(answer, &out); err != nil {
		return out, fmt.Errorf("reading the answer to %s: %w", c.Name, err)
	}
	return out, nil
}

// answer puts the call into a mux. The function sees parameters that parsed
// strictly: an unknown one is a mistake of the caller.
func answer[In, Out any](mux *http.ServeMux, c Call[In, Out], do func(context.Context, In) (Out, error)) {
	mux.HandleFunc("POST "+callPath+c.Name, func(w http.ResponseWriter, r *http.Request) {
		var in In
		d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxCall))
		d.DisallowUnknownFields()
		if err := d.Decode(&in); err != nil && !errors.Is(err, io.EOF) {
			writeError(w, &Error{Kind: Invalid, Text: fmt.Sprintf("%s: %s", c.Name, err)})
			return
		}
		out, err := do(r.Context(), in)
		if err != nil {
			writeError(w, err)
			return
		}
		writeJSON(w, http.StatusOK, out)
	})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // the client may be gone
}
