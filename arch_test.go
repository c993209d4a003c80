package main_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
)

// The floor plan of docs/architecture.md. A package imports only from floors
// below its own. A new package stands here first, with its reason in
// docs/decisions/.
var plan = map[string]int{
	"mail": 0, "finding": 0,
	"world": 1, "sasl": 1, "message": 1, "show": 1, "config": 1, "message/structure": 1, "sessions": 1,
	"store": 2, "store/storetest": 2,
	"smtp": 3, "reputation": 3, "route": 3, "tlsprobe": 3, "bimi": 3, "probe": 3,
	"provider": 3, "report": 3, "zone": 3, "filter": 3, "srs": 3, "sieve": 3,
	"mailauth": 3, "mailauth/spf": 3, "mailauth/dkim": 3, "mailauth/dmarc": 3,
	"mailauth/arc": 3, "mailauth/authres": 3,
	"identity": 4, "account": 4, "suppression": 4, "mailbox": 4, "queue": 4,
	"journal": 4, "vacation": 4, "testaddress": 4, "exhibit": 4, "feedback": 4, "standing": 4, "bench": 4,
	"check": 5, "gate": 5, "policy": 5, "accept": 5, "dialogue": 5,
	"receive": 6, "submit": 6, "deliver": 6, "monitor": 6, "setup": 6, "backup": 6, "transfer": 6, "list": 6,
	"imap": 7, "imap/syntax": 3, "imap/inflate": 3, "pop3": 7, "managesieve": 7, "web": 7,
	"backup/repository": 6, "dialogue/dialoguetest": 6,
	"web/pages": 7,
	".":         topFloor,
}

const (
	topFloor = 100 // package main, at the root
	labFloor = 4   // lab stands beside the house: it imports what lies below this
)

// sideways are the imports on one floor that have a reason. A room may always
// import its own sub-rooms.
var sideways = map[string][]string{
	"web/pages":         {"web"},           // the pages are a client of its calls
	"message/structure": {"message"},       // dates, charsets and encoded words are read in one place
	"mailauth/arc":      {"mailauth/dkim"}, // RFC 8617 section 4.1: an AMS is a DKIM signature by another name
	"store/storetest":   {"store"},         // it is the conformance suite of that interface
}

// Limits of the house style.
const (
	maxFunction    = 100 // lines; one more fails the build
	medianFunction = 12
	maxFile        = 500 // lines; more needs a "// size: reason" near the top
	minDoc         = 3   // lines of a package's doc comment
)

// ownSockets says who may open sockets, resolve and tell the time.
func ownSockets(dir string) bool {
	return dir == "world" || dir == "." || isLab(dir)
}

// forbidden are the names that only the rooms of ownSockets may use, and what to
// use instead. A "*" at the end stands for any ending.
var forbidden = map[string]map[string]string{
	"net": {
		"Dial*": "dial through world.World.Dial", "Listen*": "listen through world.World.Listen",
		"Lookup*": "resolve through world.Resolver", "Resolve*": "resolve through world.Resolver",
		"DefaultResolver": "resolve through world.Resolver", "Resolver": "resolve through world.Resolver",
	},
	"net/http": {
		"Get": useClient, "Head": useClient, "Post": useClient, "PostForm": useClient,
		"DefaultClient": useClient, "DefaultTransport": useClient,
		"ListenAndServe*": "serve on a listener of world.World.Listen",
	},
	"crypto/tls": {
		"Dial*": "dial through world.World.Dial, then tls.Client", "Listen": "listen through world.World.Listen, then tls.NewListener",
	},
	"net/smtp": {"*": "speak through our own smtp package"},
	"time": {
		"Now":   useClock,
		"Since": useClock,
		"Until": useClock,
		"Sleep": "wait in a select on a timer and ctx.Done()",
	},
	"os": {"Exit": "return an error; only main exits"},
}

const (
	useClient = "fetch through the HTTP client of world"
	useClock  = "ask w.Now(); where it measures elapsed time or sets a socket's deadline, " +
		"say so at the end of the line: // elapsed or // deadline"
)

// noNames are words that say nothing about what a package or file is.
var noNames = []string{"util", "utils", "common", "helper", "helpers", "base", "manager", "misc", "shared", "lib"}

func TestArch(t *testing.T) {
	h := openHouse(t, os.DirFS("."))
	for _, problem := range h.inspect() {
		t.Error(problem)
	}
	t.Logf("%d packages, %d files, median function %d lines", len(h.rooms), h.countFiles(), h.medianFunction())
}

// TestArchSeesEachViolation builds a small house around each broken rule, so
// that no rule can silently stop working.
func TestArchSeesEachViolation(t *testing.T) {
	long := "package mail\n\n// F is long.\nfunc F() {\n" + strings.Repeat("\tg()\n", maxFunction) + "}\n"
	for _, tt := range []struct{ name, file, text, want string }{
		{"upwards", "mail/x.go", "package mail\nimport _ \"MODULE/world\"\n", "floor"},
		{"sideways", "smtp/x.go", "package smtp\nimport _ \"MODULE/route\"\n", "floor"},
		{"sub-room to room", "mailauth/spf/x.go", "package spf\nimport _ \"MODULE/mailauth\"\n", "floor"},
		{"product imports lab", "check/x.go", "package check\nimport _ \"MODULE/lab\"\n", "lab is for tests"},
		{"lab looks up", "lab/x.go", "package lab\nimport _ \"MODULE/check\"\n", "floor"},
		{"unplanned", "stray/doc.go", "// Package stray\n// is\n// new.\npackage stray\n", "not in the floor plan"},
		{"unplanned import", "check/x.go", "package check\nimport _ \"MODULE/stray\"\n", "not in the floor plan"},
		{"name", "mail/string_utils.go", "package mail\n", "says nothing"},
		{"dial", "smtp/x.go", "package smtp\nimport n \"net\"\nvar d n.Dialer\n", "world.World.Dial"},
		{"lookup", "smtp/x.go", "package smtp\nimport \"net\"\nvar f = net.LookupTXT\n", "world.Resolver"},
		{"http", "route/x.go", "package route\nimport \"net/http\"\nvar f = http.Get\n", "HTTP client"},
		{"http client", "route/x.go", "package route\nimport \"net/http\"\nvar f = http.Client{}\n", "Transport"},
		{"net/smtp", "smtp/x.go", "package smtp\nimport \"net/smtp\"\nvar f = smtp.NewClient\n", "our own smtp"},
		{"elapsed without a word", "check/x.go", "package check\nimport \"time\"\nvar f = time.Since(g)\n", "// elapsed"},
		{"clock", "check/x.go", "package check\nimport \"time\"\nvar f = time.Now()\n", "w.Now()"},
		{"dot import", "check/x.go", "package check\nimport . \"time\"\n", "dot"},
		{"exit", "check/x.go", "package check\nimport \"os\"\nfunc f() { os.Exit(1) }\n", "only main exits"},
		{"init", "mail/x.go", "package mail\nfunc init() {}\n", "func init"},
		{"global", "mail/x.go", "package mail\nvar n = map[int]int{}\nfunc f() { n[1]++ }\n", "global state"},
		{"global in another file", "mail/x.go", "package mail\nfunc f() { seen.x = 1 }\n", "global state"},
		{"no doc", "mail/doc.go", "package mail\n", "no doc comment"},
		{"short doc", "mail/doc.go", "// Package mail is short.\npackage mail\n", "lines"},
		{"doc elsewhere", "mail/x.go", "// Package mail is\n// documented\n// twice.\npackage mail\n", "belongs in doc.go"},
		{"undocumented function", "mail/x.go", "package mail\nfunc F() {}\n", "F has no doc comment"},
		{"undocumented method", "mail/x.go", "package mail\nfunc (t *T) F() {}\n", "T.F has no doc comment"},
		{"undocumented type", "mail/x.go", "package mail\ntype U struct{}\n", "U has no doc comment"},
		{"undocumented constant", "mail/x.go", "package mail\nconst C = 1\n", "C has no doc comment"},
		{"long function", "mail/x.go", long, "lines long"},
		{"long file", "mail/x.go", "package mail\n" + strings.Repeat("//\n", maxFile), "// size:"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			house := soundHouse()
			house[tt.file] = &fstest.MapFile{Data: []byte(strings.ReplaceAll(tt.text, "MODULE", "example.org/house"))}
			problems := openHouse(t, house).inspect()
			if len(problems) != 1 || !strings.Contains(problems[0], tt.want) {
				t.Errorf("inspect() = %q, want one problem about %q", problems, tt.want)
			}
		})
	}
}

func TestArchLeavesASoundHouseAlone(t *testing.T) {
	if problems := openHouse(t, soundHouse()).inspect(); len(problems) != 0 {
		t.Errorf("inspect() = %q, want nothing", problems)
	}
}

// soundHouse breaks no rule and comes near to many.
func soundHouse() fstest.MapFS {
	house := fstest.MapFS{"go.mod": {Data: []byte("module example.org/house\n\ngo 1.26\n")}}
	add := func(file, text string) {
		house[file] = &fstest.MapFile{Data: []byte(strings.ReplaceAll(text, "MODULE", "example.org/house"))}
	}
	for _, dir := range []string{"mail", "world", "smtp", "route", "mailauth", "mailauth/spf", "mailauth/dkim", "mailauth/arc", "check", "lab"} {
		add(dir+"/doc.go", "// Package p is\n// well\n// documented.\npackage "+path.Base(dir)+"\n")
	}
	add("main.go", "// Command house is\n// well\n// documented.\npackage main\nimport \"os\"\nfunc main() { os.Exit(0) }\n")
	add("lab.go", "package main\nimport _ \"MODULE/lab\"\n")
	add("mail/t.go", "package mail\n// T is documented.\ntype T struct{}\n// F is too.\nfunc (T) F() {}\nfunc (t T) g() { t = T{} }\ntype u int\nfunc (u) String() string { return \"\" }\n")
	add("mail/seen.go", "package mail\nvar seen struct{ x int }\nfunc h() { seen := seen; seen.x = 1 }\nfunc k() { var seen int; seen = 1 }\n")
	add("world/net.go", "package world\nimport (\"net\"; \"time\"; _ \"MODULE/mail\")\nvar f = net.Dial\nvar now = time.Now\n")
	add("mailauth/x.go", "package mailauth\nimport _ \"MODULE/mailauth/spf\"\n")
	add("mailauth/arc/x.go", "package arc\nimport _ \"MODULE/mailauth/dkim\"\n")
	add("lab/x.go", "package lab\nimport (_ \"MODULE/smtp\"; \"net\")\nvar f = net.Listen\n")
	add("check/x.go", "package check\nimport (\"time\"; _ \"MODULE/mail\"; _ \"MODULE/smtp\")\nfunc f() { start := time.Now() // elapsed\n _ = start }\n")
	add("check/x_test.go", "package check_test\nimport (_ \"MODULE/lab\"; \"time\"; \"net\")\nfunc init() { time.Now(); net.Dial(``, ``) }\nfunc F() {}\n")
	add("check/testdata/util/x.go", "package broken {")
	return house
}

// A house is the parsed repository.
type house struct {
	module string
	fset   *token.FileSet
	rooms  map[string]*room // by directory, slashes
}

type room struct {
	dir   string
	files []*source
	vars  map[string]*ast.ValueSpec // package-level variables, tests aside
}

type source struct {
	*ast.File
	path  string
	test  bool
	lines int
	text  string
}

func openHouse(t *testing.T, root fs.FS) *house {
	t.Helper()
	h := &house{module: readModule(t, root), fset: token.NewFileSet(), rooms: map[string]*room{}}
	err := fs.WalkDir(root, ".", func(p string, d fs.DirEntry, err error) error {
		switch name := path.Base(p); {
		case err != nil:
			return err
		case d.IsDir() && p != "." && (name == "testdata" || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_")):
			return fs.SkipDir
		case !d.IsDir() && strings.HasSuffix(name, ".go"):
			return h.read(root, p)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func readModule(t *testing.T, root fs.FS) string {
	t.Helper()
	text, err := fs.ReadFile(root, "go.mod")
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(text), "\n")
	return strings.TrimPrefix(first, "module ")
}

func (h *house) read(root fs.FS, p string) error {
	text, err := fs.ReadFile(root, p)
	if err != nil {
		return err
	}
	parsed, err := parser.ParseFile(h.fset, p, text, parser.ParseComments)
	if err != nil {
		return err
	}
	dir := path.Dir(p)
	r := h.rooms[dir]
	if r == nil {
		r = &room{dir: dir, vars: map[string]*ast.ValueSpec{}}
		h.rooms[dir] = r
	}
	s := &source{File: parsed, path: p, text: string(text), test: strings.HasSuffix(p, "_test.go"), lines: strings.Count(string(text), "\n")}
	r.files = append(r.files, s)
	if !s.test {
		s.collectVars(r.vars)
	}
	return nil
}

func (s *source) collectVars(vars map[string]*ast.ValueSpec) {
	for _, d := range s.Decls {
		gen, ok := d.(*ast.GenDecl)
		if !ok || gen.Tok != token.VAR {
			continue
		}
		for _, spec := range gen.Specs {
			spec := spec.(*ast.ValueSpec)
			for _, name := range spec.Names {
				vars[name.Name] = spec
			}
		}
	}
}

// inspect gives one line per problem, each with what to do about it.
func (h *house) inspect() []string {
	var problems []string
	for _, dir := range slices.Sorted(maps.Keys(h.rooms)) {
		r := h.rooms[dir]
		in := &inspection{house: h, room: r}
		in.placeAndName()
		if !r.onlyTests() {
			in.packageDoc()
		}
		for _, s := range r.files {
			in.source = s
			in.fileName()
			if !s.test {
				in.product()
			}
		}
		problems = append(problems, in.problems...)
	}
	if m := h.medianFunction(); m > medianFunction {
		problems = append(problems, fmt.Sprintf("the median function has %d lines, over %d: split the longest ones", m, medianFunction))
	}
	return problems
}

func (r *room) onlyTests() bool {
	return !slices.ContainsFunc(r.files, func(s *source) bool { return !s.test })
}

// An inspection walks one room and notes what is wrong.
type inspection struct {
	house    *house
	room     *room
	source   *source
	problems []string
}

func (in *inspection) note(at token.Pos, format string, args ...any) {
	where := in.room.dir
	if at.IsValid() {
		p := in.house.fset.Position(at)
		where = fmt.Sprintf("%s:%d", p.Filename, p.Line)
	}
	in.problems = append(in.problems, where+": "+fmt.Sprintf(format, args...))
}

func (in *inspection) product() {
	in.imports()
	in.names()
	in.declarations()
	in.globals()
	if in.source.lines > maxFile && !in.source.saysWhyItIsLong() {
		in.note(in.source.Package, "the file has %d lines, over %d: split it by concept, or give the reason near the top: // size: ...",
			in.source.lines, maxFile)
	}
}

func isLab(dir string) bool { return dir == "lab" || strings.HasPrefix(dir, "lab/") }

// floor is where a package may stand, looked at by its importers.
func floor(dir string) (n int, planned bool) {
	if isLab(dir) {
		return labFloor, true
	}
	n, planned = plan[dir]
	return n, planned
}

func (in *inspection) placeAndName() {
	if _, ok := floor(in.room.dir); !ok {
		in.note(token.NoPos, "the package is not in the floor plan: add it to plan in arch_test.go and to docs/architecture.md, with the reason in docs/decisions/")
	}
	if slices.Contains(noNames, path.Base(in.room.dir)) {
		in.note(token.NoPos, "the name says nothing: call the package by the question it answers")
	}
}

func (in *inspection) fileName() {
	stem := strings.TrimSuffix(path.Base(in.source.path), ".go")
	for word := range strings.SplitSeq(stem, "_") {
		if slices.Contains(noNames, word) {
			in.note(in.source.Package, "%q says nothing: name the file after its concept", word)
		}
	}
}

func (in *inspection) imports() {
	for _, spec := range in.source.Imports {
		p, _ := strconv.Unquote(spec.Path.Value)
		if spec.Name != nil && spec.Name.Name == "." {
			in.note(spec.Pos(), "a dot import hides where names come from: import %s by name", p)
		}
		if dir, ok := strings.CutPrefix(p, in.house.module+"/"); ok {
			in.ownImport(spec, dir)
		}
	}
}

// ownImport judges the import of one of our packages.
func (in *inspection) ownImport(spec *ast.ImportSpec, dir string) {
	from := in.room.dir
	there, planned := floor(dir)
	here, _ := floor(from)
	switch {
	case !planned:
		in.note(spec.Pos(), "%s is not in the floor plan: see plan in arch_test.go", dir)
	case isLab(dir) && (isLab(from) || from == "." && path.Base(in.source.path) == "lab.go"):
	case isLab(dir):
		in.note(spec.Pos(), "lab is for tests and for lab.go at the root: the product never imports it")
	case from != "." && strings.HasPrefix(dir, from+"/") || slices.Contains(sideways[from], dir):
	case there >= here:
		in.note(spec.Pos(), "%s (floor %d) imports %s (floor %d): import only from floors below; move what both need down, or pass it in as a parameter",
			from, here, dir, there)
	}
}

// names judges every use of an imported name.
func (in *inspection) names() {
	if ownSockets(in.room.dir) {
		return
	}
	imported := in.source.importNames()
	ast.Inspect(in.source.File, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			in.selector(imported, n)
		case *ast.CompositeLit:
			in.httpClient(imported, n)
		}
		return true
	})
}

// importNames maps the names under which packages are known in a file to their
// import paths.
func (s *source) importNames() map[string]string {
	names := map[string]string{}
	for _, spec := range s.Imports {
		p, _ := strconv.Unquote(spec.Path.Value)
		name := path.Base(p)
		if spec.Name != nil {
			name = spec.Name.Name
		}
		names[name] = p
	}
	return names
}

// importedName gives the import path and name of a selector on a package; a local
// variable of the same name has an object and is none.
func importedName(imported map[string]string, sel *ast.SelectorExpr) (pkg, name string) {
	if x, ok := sel.X.(*ast.Ident); ok && x.Obj == nil {
		return imported[x.Name], sel.Sel.Name
	}
	return "", ""
}

func (in *inspection) selector(imported map[string]string, sel *ast.SelectorExpr) {
	pkg, name := importedName(imported, sel)
	for pattern, instead := range forbidden[pkg] {
		prefix, open := strings.CutSuffix(pattern, "*")
		if name != pattern && !(open && strings.HasPrefix(name, prefix)) || name == "Listener" {
			continue // a Listener is what world hands out
		}
		if pkg == "time" && in.lineSays(sel.Pos(), "// elapsed", "// deadline") {
			continue
		}
		in.note(sel.Pos(), "%s.%s has no place here: %s", path.Base(pkg), name, instead)
	}
}

// httpClient finds clients that would dial by themselves.
func (in *inspection) httpClient(imported map[string]string, lit *ast.CompositeLit) {
	sel, ok := lit.Type.(*ast.SelectorExpr)
	if !ok {
		return
	}
	if pkg, name := importedName(imported, sel); pkg != "net/http" || name != "Client" {
		return
	}
	for _, e := range lit.Elts {
		if kv, ok := e.(*ast.KeyValueExpr); ok && fmt.Sprint(kv.Key) == "Transport" {
			return
		}
	}
	in.note(lit.Pos(), "an http.Client without Transport dials by itself: %s", useClient)
}

func (in *inspection) lineSays(at token.Pos, words ...string) bool {
	n := in.house.fset.Position(at).Line
	line := strings.Split(in.source.text, "\n")[n-1]
	return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(line, w) })
}

// packageDoc wants exactly one doc comment, in doc.go (for main: or main.go).
func (in *inspection) packageDoc() {
	found := false
	for _, s := range in.room.files {
		name := path.Base(s.path)
		switch {
		case s.test || s.Doc == nil:
		case name == "doc.go" || in.room.dir == "." && name == "main.go" && !found:
			found = true
			if n := len(strings.Split(strings.TrimSpace(s.Doc.Text()), "\n")); n < minDoc {
				in.note(s.Package, "the package's doc comment has %d lines, under %d: it is the one-page tutorial of the package", n, minDoc)
			}
		default:
			in.note(s.Package, "the package's doc comment belongs in doc.go, once: move it there, or put an empty line before the package clause")
		}
	}
	if !found {
		in.note(token.NoPos, "the package has no doc comment: write doc.go, what question the package answers, an example, the RFCs")
	}
}

func (in *inspection) declarations() {
	for _, d := range in.source.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			in.function(d)
		case *ast.GenDecl:
			in.group(d)
		}
	}
}

func (in *inspection) function(d *ast.FuncDecl) {
	name, exported := exportedName(d)
	if exported && d.Doc == nil && in.room.dir != "." {
		in.note(d.Pos(), "%s has no doc comment: say what it answers, units, errors, the RFC section", name)
	}
	if d.Recv == nil && d.Name.Name == "init" {
		in.note(d.Pos(), "func init runs unasked: call it by name from where it is needed, or use a literal")
	}
	if n := in.house.functionLines(d); n > maxFunction {
		in.note(d.Pos(), "%s is %d lines long, over %d: give its parts names of their own", name, n, maxFunction)
	}
}

// exportedName is Type.Method or Function; a method is public when both are.
func exportedName(d *ast.FuncDecl) (name string, exported bool) {
	if d.Recv == nil || len(d.Recv.List) == 0 {
		return d.Name.Name, d.Name.IsExported()
	}
	t := d.Recv.List[0].Type
	for {
		switch x := t.(type) {
		case *ast.StarExpr:
			t = x.X
		case *ast.IndexExpr:
			t = x.X
		case *ast.IndexListExpr:
			t = x.X
		case *ast.Ident:
			return x.Name + "." + d.Name.Name, x.IsExported() && d.Name.IsExported()
		default:
			return d.Name.Name, d.Name.IsExported()
		}
	}
}

func (in *inspection) group(d *ast.GenDecl) {
	if in.room.dir == "." || d.Doc != nil {
		return
	}
	for _, spec := range d.Specs {
		switch s := spec.(type) {
		case *ast.TypeSpec:
			in.wantDoc(s.Name, s.Doc, s.Comment)
		case *ast.ValueSpec:
			for _, name := range s.Names {
				in.wantDoc(name, s.Doc, s.Comment)
			}
		}
	}
}

func (in *inspection) wantDoc(name *ast.Ident, doc, comment *ast.CommentGroup) {
	if name.IsExported() && doc == nil && comment == nil {
		in.note(name.Pos(), "%s has no doc comment: say what it is and what its zero value means", name.Name)
	}
}

// globals finds assignments to package-level variables.
func (in *inspection) globals() {
	ast.Inspect(in.source.File, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			if n.Tok != token.DEFINE {
				for _, to := range n.Lhs {
					in.assignment(to)
				}
			}
		case *ast.IncDecStmt:
			in.assignment(n.X)
		}
		return true
	})
}

func (in *inspection) assignment(to ast.Expr) {
	for {
		switch x := to.(type) {
		case *ast.IndexExpr:
			to = x.X
		case *ast.SelectorExpr:
			to = x.X
		case *ast.StarExpr:
			to = x.X
		case *ast.ParenExpr:
			to = x.X
		case *ast.Ident:
			if spec := in.room.vars[x.Name]; spec != nil && mayMean(x, spec) {
				in.note(x.Pos(), "%s is global state: make it a field of what owns it, and pass that in", x.Name)
			}
			return
		default:
			return
		}
	}
}

// mayMean reports whether an identifier is the package-level variable of its
// name. The parser gives no object to names declared in other files; anything
// else with another declaration is local.
func mayMean(x *ast.Ident, spec *ast.ValueSpec) bool {
	return x.Obj == nil || x.Obj.Decl == spec
}

func (s *source) saysWhyItIsLong() bool {
	lines := strings.Split(s.text, "\n")
	return slices.ContainsFunc(lines[:min(len(lines), 30)], func(l string) bool {
		return strings.HasPrefix(l, "// size: ") && len(l) > len("// size: ")+10
	})
}

func (h *house) functionLines(d *ast.FuncDecl) int {
	return h.fset.Position(d.End()).Line - h.fset.Position(d.Pos()).Line + 1
}

func (h *house) countFiles() int {
	n := 0
	for _, r := range h.rooms {
		n += len(r.files)
	}
	return n
}

// medianFunction is the number of lines that half of the product's functions
// stay within.
func (h *house) medianFunction() int {
	var sizes []int
	for _, r := range h.rooms {
		for _, s := range r.files {
			for _, d := range s.Decls {
				if f, ok := d.(*ast.FuncDecl); ok && !s.test {
					sizes = append(sizes, h.functionLines(f))
				}
			}
		}
	}
	if len(sizes) == 0 {
		return 0
	}
	slices.Sort(sizes)
	return sizes[len(sizes)/2]
}
