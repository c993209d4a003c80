package web

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestCatalogue holds the catalogue to the calls that there are in the source.
func TestCatalogue(t *testing.T) {
	declared := declaredCalls(t)
	var listed []string
	for _, op := range Catalogue() {
		listed = append(listed, op.Name)
		if !strings.HasSuffix(op.Does, ".") || len(op.Does) < 15 {
			t.Errorf("%s: %q says nothing", op.Name, op.Does)
		}
		if op.Access <= Nobody || op.Access > Person {
			t.Errorf("%s is for nobody", op.Name)
		}
	}
	onSocketOnly := []string{WebLogin.Name} // or else a session could make ways in for ever
	for _, name := range declared {
		if !slices.Contains(listed, name) && !slices.Contains(onSocketOnly, name) {
			t.Errorf("the call %s stands in no line of web/catalogue.go", name)
		}
	}
	if len(listed) != len(slices.Compact(slices.Sorted(slices.Values(listed)))) {
		t.Error("a call stands in the catalogue twice")
	}
}

// declaredCalls are the names of all calls in this package and in the program.
func declaredCalls(t *testing.T) (names []string) {
	t.Helper()
	var files []string
	for _, pattern := range []string{"*.go", "../*.go"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		tree, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(tree, func(n ast.Node) bool {
			if name := callName(n); name != "" {
				names = append(names, name)
			}
			return true
		})
	}
	if len(names) < 40 {
		t.Fatalf("only %d calls were found in the source: %q", len(names), names)
	}
	return names
}

// callName is NAME where n is Call[In, Out]{"NAME"}.
func callName(n ast.Node) string {
	lit, ok := n.(*ast.CompositeLit)
	if !ok || len(lit.Elts) != 1 {
		return ""
	}
	index, ok := lit.Type.(*ast.IndexListExpr)
	if !ok {
		return ""
	}
	of := ""
	switch x := index.X.(type) {
	case *ast.Ident:
		of = x.Name
	case *ast.SelectorExpr:
		of = x.Sel.Name
	}
	value := lit.Elts[0]
	if kv, ok := value.(*ast.KeyValueExpr); ok {
		value = kv.Value
	}
	text, ok := value.(*ast.BasicLit)
	if of != "Call" || !ok {
		return ""
	}
	name, _ := strconv.Unquote(text.Value)
	return name
}

// description is the API as a program reads it.
type description struct {
	OpenAPI string `json:"openapi"`
	Paths   map[string]map[string]struct {
		OperationID string           `json:"operationId"`
		Summary     string           `json:"summary"`
		Description string           `json:"description"`
		Security    []map[string]any `json:"security"`
		RequestBody content          `json:"requestBody"`
		Responses   map[string]struct {
			Description string `json:"description"`
			content
		} `json:"responses"`
	} `json:"paths"`
	Components struct {
		Schemas         map[string]map[string]any `json:"schemas"`
		SecuritySchemes map[string]any            `json:"securitySchemes"`
	} `json:"components"`
}

type content struct {
	Content map[string]struct {
		Schema map[string]any `json:"schema"`
	} `json:"content"`
}

func (c content) schema() map[string]any { return c.Content["application/json"].Schema }

func describedAPI(t testing.TB) description {
	t.Helper()
	var d description
	if err := json.Unmarshal(describeAPI(), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

func TestOpenAPI(t *testing.T) {
	d := describedAPI(t)
	if !strings.HasPrefix(d.OpenAPI, "3.1.") || len(d.Components.SecuritySchemes) == 0 {
		t.Errorf("openapi %q, %d security schemes", d.OpenAPI, len(d.Components.SecuritySchemes))
	}
	if len(d.Paths) != len(Catalogue()) {
		t.Errorf("%d paths for %d calls", len(d.Paths), len(Catalogue()))
	}
	for path, item := range d.Paths {
		op, ok := item["post"]
		switch {
		case !ok || len(item) != 1 || "/api/v1/"+op.OperationID != path:
			t.Errorf("%s is %q", path, op.OperationID)
		case op.Summary == "" || op.Description == "" || len(op.Security) == 0:
			t.Errorf("%s lacks words: %+v", path, op)
		}
		d.resolves(t, path, op.RequestBody.schema())
		for status, answer := range op.Responses {
			if n, err := strconv.Atoi(status); err != nil || http.StatusText(n) == "" || answer.Description == "" {
				t.Errorf("%s answers %q: %q", path, status, answer.Description)
			}
			d.resolves(t, path+" "+status, answer.schema())
		}
		for _, must := range []string{"200", "400", "401", "403", "404", "409", "500", "503"} {
			if _, ok := op.Responses[must]; !ok {
				t.Errorf("%s never answers %s", path, must)
			}
		}
	}
	for name, s := range d.Components.Schemas {
		d.resolves(t, name, s)
	}
}

// resolves checks that all references lead somewhere and all types are types.
func (d description) resolves(t *testing.T, where string, s map[string]any) {
	t.Helper()
	if s == nil {
		t.Errorf("%s has no schema", where)
	}
	for key, value := range s {
		switch v := value.(type) {
		case string:
			if key == "$ref" && d.named(v) == nil {
				t.Errorf("%s refers to %s, which is nowhere", where, v)
			}
			if key == "type" && !slices.Contains([]string{"object", "array", "string", "integer", "number", "boolean"}, v) {
				t.Errorf("%s is of type %q", where, v)
			}
		case map[string]any:
			if key == "properties" {
				for name, p := range v {
					d.resolves(t, where+"."+name, p.(map[string]any))
				}
			} else {
				d.resolves(t, where+" "+key, v)
			}
		}
	}
}

func (d description) named(ref string) map[string]any {
	return d.Components.Schemas[strings.TrimPrefix(ref, "#/components/schemas/")]
}

// conforms checks a question and its answer against the description.
func conforms(t testing.TB, name string, in, out any) {
	t.Helper()
	d := describedAPI(t)
	op, ok := d.Paths["/api/v1/"+name]["post"]
	if !ok {
		t.Errorf("%s is not described", name)
		return
	}
	for _, v := range d.violations(name+" asked", op.RequestBody.schema(), asAny(t, in)) {
		t.Error(v)
	}
	for _, v := range d.violations(name+" answered", op.Responses["200"].schema(), asAny(t, out)) {
		t.Error(v)
	}
}

func asAny(t testing.TB, v any) (out any) {
	t.Helper()
	text, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(text, &out)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// violations is as much of JSON Schema as the description uses.
func (d description) violations(where string, s map[string]any, v any) (all []string) {
	wrong := func(what string) []string { return append(all, fmt.Sprintf("%s: %s: %v", where, what, v)) }
	if ref, ok := s["$ref"].(string); ok {
		to := maps.Clone(d.named(ref))
		if closed, ok := s["unevaluatedProperties"]; ok {
			to["unevaluatedProperties"] = closed
		}
		return d.violations(where, to, v)
	}
	switch s["type"] {
	case nil:
	case "object":
		o, ok := v.(map[string]any)
		if !ok {
			return wrong("no object")
		}
		return d.violationsOfObject(where, s, o)
	case "array":
		list, ok := v.([]any)
		if !ok {
			return wrong("no list")
		}
		for i, item := range list {
			all = append(all, d.violations(fmt.Sprintf("%s[%d]", where, i), s["items"].(map[string]any), item)...)
		}
	case "string":
		text, ok := v.(string)
		if !ok {
			return wrong("no string")
		}
		if _, err := time.Parse(time.RFC3339, text); s["format"] == "date-time" && err != nil {
			return wrong("no time")
		}
	case "boolean":
		if _, ok := v.(bool); !ok {
			return wrong("no boolean")
		}
	default:
		if n, ok := v.(float64); !ok || s["type"] == "integer" && n != float64(int64(n)) {
			return wrong("no number")
		}
	}
	return all
}

func (d description) violationsOfObject(where string, s, o map[string]any) (all []string) {
	properties, _ := s["properties"].(map[string]any)
	required, _ := s["required"].([]any)
	for _, name := range required {
		if _, ok := o[name.(string)]; !ok {
			all = append(all, fmt.Sprintf("%s lacks %s", where, name))
		}
	}
	for name, value := range o {
		of, known := properties[name].(map[string]any)
		rest, open := s["additionalProperties"].(map[string]any)
		switch {
		case known:
			all = append(all, d.violations(where+"."+name, of, value)...)
		case open:
			all = append(all, d.violations(where+"."+name, rest, value)...)
		default: // what is not described must not be answered either
			all = append(all, fmt.Sprintf("%s has %s, which is not described", where, name))
		}
	}
	return all
}

// TestConforms makes sure that the test of conformity can fail.
func TestConforms(t *testing.T) {
	d := describedAPI(t)
	page := d.Paths["/api/v1/queue.list"]["post"].Responses["200"].schema()
	for _, tt := range []struct{ text, want string }{
		{`{"entries":[],"waiting":1,"deferred":0,"held":0}`, ""},
		{`{"entries":null,"waiting":1,"deferred":0,"held":0}`, "no list"},
		{`{"waiting":1,"deferred":0,"held":0}`, "lacks entries"},
		{`{"entries":[],"waiting":"1","deferred":0,"held":0}`, "no number"},
		{`{"entries":[],"waiting":1,"deferred":0,"held":0,"oldest":"yesterday"}`, "no time"},
		{`{"entries":[],"waiting":1,"deferred":0,"held":0,"more":1}`, "not described"},
		{`{"entries":[{}],"waiting":1,"deferred":0,"held":0}`, "lacks trace"},
		{`[]`, "no object"},
	} {
		var v any
		if err := json.Unmarshal([]byte(tt.text), &v); err != nil {
			t.Fatal(err)
		}
		got := strings.Join(d.violations("page", page, v), "; ")
		if (tt.want == "") != (got == "") || !strings.Contains(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.text, got, tt.want)
		}
	}
}

// TestAPIAccess asks every call as everybody.
func TestAPIAccess(t *testing.T) {
	made := ""
	calls := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { made = r.URL.Path })
	for _, may := range []Access{Nobody, Looks, Changes, Person} {
		h := API{Client: NewClientOf(calls), Who: func(*http.Request) (Access, error) { return may, nil }}.Handler()
		for _, op := range Catalogue() {
			made = ""
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest("POST", "/api/v1/"+op.Name, strings.NewReader("{}")))
			want := http.StatusOK
			switch {
			case may == Nobody:
				want = http.StatusUnauthorized
			case may < op.Access:
				want = http.StatusForbidden
			}
			if w.Code != want || (made == "/v1/"+op.Name) != (want == http.StatusOK) {
				t.Errorf("%s as %s: %d, made %q", op.Name, may, w.Code, made)
			}
		}
	}
}

func TestAPIElsewhere(t *testing.T) {
	h := API{Client: NewClientOf(http.NotFoundHandler()), Who: func(*http.Request) (Access, error) {
		return Nobody, &Error{Kind: Temporary, Text: "not now"}
	}}.Handler()
	for _, tt := range []struct {
		method, path string
		want         int
	}{
		{"GET", "/api/openapi.json", 200},
		{"POST", "/api/v1/status", 503},
		{"GET", "/api/v1/status", 404},
		{"POST", "/api/v1/mail/put", 404},
		{"POST", "/api/v1/", 404},
		{"GET", "/api/v1/metrics", 404},
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(tt.method, tt.path, nil))
		if w.Code != tt.want || w.Header().Get("Content-Type") != "application/json" {
			t.Errorf("%s %s: %d %s", tt.method, tt.path, w.Code, w.Header())
		}
	}
}

// TestAPITokens goes the way of a program, from the token to the answer and to its end.
func TestAPITokens(t *testing.T) {
	o := newOffice(t)
	api := API{Client: o.Client, Who: func(r *http.Request) (Access, error) { return TokenAccess(o.store, r) }}.Handler()
	ask := func(call, body, authorization string, want int) string {
		t.Helper()
		w := httptest.NewRecorder()
		r := httptest.NewRequest("POST", "/api/v1/"+call, strings.NewReader(body))
		if authorization != "" {
			r.Header.Set("Authorization", authorization)
		}
		api.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("%s as %.20q: %d %s, want %d", call, authorization, w.Code, w.Body, want)
		}
		return w.Body.String()
	}
	looks := do(t, o, APITokenAdd, APIToken{Name: "monitor", ReadOnly: true}).Secret
	changes := do(t, o, APITokenAdd, APIToken{Name: "portal_1"}).Secret
	fails(t, o, APITokenAdd, APIToken{Name: "monitor"}, Conflict)
	for _, name := range []string{"", "a b", "ü", strings.Repeat("x", 61)} {
		fails(t, o, APITokenAdd, APIToken{Name: name}, Invalid)
	}
	if all := do(t, o, APITokenList, None{}); len(all) != 2 || !all[0].ReadOnly || all[1].ReadOnly || all[0].Created.IsZero() {
		t.Errorf("tokens: %+v", all)
	}
	ask("status", "{}", "", 401)
	ask("status", "{}", "Basic "+looks, 401)
	ask("status", "{}", "Bearer "+looks+"x", 401)
	if got := ask("status", "", "bearer "+looks, 200); !strings.Contains(got, `"mx.example.com"`) {
		t.Errorf("status: %s", got)
	}
	ask("account.add", `{"address":"bob@example.com"}`, "Bearer "+looks, 403)
	ask("account.add", `{"address":"bob@example.com"}`, "Bearer "+changes, 200)
	ask("account.show", `{"address":"bob@example.com"}`, "Bearer "+looks, 200)
	ask("account.show", `{"address":"eve@example.com"}`, "Bearer "+looks, 404)
	ask("account.show", `{"adress":"bob@example.com"}`, "Bearer "+looks, 400)
	ask("web.token.add", `{"name":"more"}`, "Bearer "+changes, 403)
	do(t, o, APITokenRemove, SenderName{"monitor"})
	fails(t, o, APITokenRemove, SenderName{"monitor"}, NotFound)
	ask("status", "{}", "Bearer "+looks, 401)
}
