// Package web is what the server says over HTTP: whether it is alive and ready, its
// figures, the policies it publishes, the messages that programs submit, and the
// administration API that the command line speaks.
//
// # For monitors
//
//	GET /healthz   200 while the process answers
//	GET /readyz    200 when mail can come here, 503 with the reasons when not
//	GET /metrics   figures for Prometheus, in a registry of their own
//
// Metrics reads what the packages count (Family), and counts SMTP turns itself by
// standing between smtp and the session that decides (Metrics.Observe).
//
// # For everybody
//
//	GET /.well-known/mta-sts.txt   the policy of the domain in the Host field (RFC 8461)
//	POST /v1/messages              a message of a program that has a token: see submit
//
// # For the administrator
//
// The administration API is HTTP on a unix socket that only the user of the server
// and root can open. Each call is a POST to /v1/NAME with a JSON object, and
// answers a JSON value, or an Error with a hint:
//
//	curl --unix-socket /var/lib/allgreen/admin.sock -d '{}' http://admin/v1/queue.list
//
// From Go, a call is a value with its types, shared by both sides:
//
//	client := web.NewClient(w, "/var/lib/allgreen/admin.sock")
//	list, err := web.QueueList.Do(ctx, client, web.QueueQuery{})
//	switch {
//	case errors.Is(err, web.ErrNoServer): // start one
//	case errors.As(err, &e):              // *web.Error: e.Kind, e.Hint
//	}
//
// The names and fields of v1 may grow and never change their meaning; an unknown
// parameter is refused. What would break a script becomes v2, beside v1.
package web
