package bimi

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Limits of a logo. The first is the profile's; the others keep a hostile file
// from costing more than an honest one.
const (
	MaxLogo     = 32 << 10 // octets, unpacked
	maxUnpacked = 1 << 20
	maxDepth    = 64
	maxElements = 20000
	maxTitle    = 64 // characters
)

const svgSpace = "http://www.w3.org/2000/svg"

//go:embed tinyps.json
var tinyPSJSON []byte

// profile is the SVG Tiny PS profile as data.
type profile struct {
	Allowed         []string          `json:"allowed"`
	Forbidden       map[string]string `json:"forbidden"` // element: code of its problem
	GeneratorTitles []string          `json:"generator_titles"`
}

var loadProfile = sync.OnceValue(func() profile {
	var p profile
	if err := json.Unmarshal(tinyPSJSON, &p); err != nil {
		panic(fmt.Sprintf("bimi: tinyps.json: %s", err))
	}
	return p
})

// Logo is what a logo file says of itself.
type Logo struct {
	Size        int // octets, unpacked
	Title       string
	Version     string
	BaseProfile string
	ViewBox     [4]float64 // x, y, width, height; zero when there is none
}

// IsSquare reports whether the picture is as wide as high.
func (l Logo) IsSquare() bool { return l.ViewBox[2] > 0 && l.ViewBox[2] == l.ViewBox[3] }

// JudgeLogo reads a logo file, plain or gzipped, and says everything that keeps it
// from being SVG Tiny PS. Codes: "xml", "not-svg", "version", "base-profile",
// "position", "no-title", "title", "generator-title", "no-view-box", "view-box",
// "not-square", "too-large", "doctype", "too-deep", "too-many", "script",
// "event-handler", "animation", "raster", "media", "link", "foreign", "external",
// "style", "element".
func JudgeLogo(file []byte) (Logo, []Problem) {
	var found problems
	data, err := unpack(file)
	if err != nil {
		found.fatal("xml", "the file cannot be unpacked: %s", err)
		return Logo{}, found
	}
	r := logoReader{profile: loadProfile(), found: &found, dec: xml.NewDecoder(bytes.NewReader(data))}
	r.dec.CharsetReader = readCharset
	r.logo.Size = len(data)
	if len(data) > MaxLogo {
		found.warn("too-large", "the logo has %d octets; more than %d are too many", len(data), MaxLogo)
	}
	r.read()
	return r.logo, found
}

// unpack undoes gzip, which is allowed for logos, within bounds.
func unpack(file []byte) ([]byte, error) {
	if !bytes.HasPrefix(file, []byte{0x1F, 0x8B}) {
		if len(file) > maxUnpacked {
			return nil, errors.New("it is too large")
		}
		return file, nil
	}
	z, err := gzip.NewReader(bytes.NewReader(file))
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(z, maxUnpacked+1))
	if err == nil && len(data) > maxUnpacked {
		err = errors.New("it is too large when unpacked")
	}
	return data, err
}

// readCharset knows the names of UTF-8 and its subset; a logo has no need of more.
func readCharset(label string, input io.Reader) (io.Reader, error) {
	if l := strings.ToLower(label); l == "utf-8" || l == "us-ascii" {
		return input, nil
	}
	return nil, fmt.Errorf("the character set %.40q is not UTF-8", label)
}

// logoReader goes through the file once.
type logoReader struct {
	profile  profile
	found    *problems
	dec      *xml.Decoder
	logo     Logo
	path     []string // names of the open elements
	elements int
	titled   bool
}

func (r *logoReader) read() {
	for {
		token, err := r.dec.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			r.found.fatal("xml", "the file is no XML: %s", err)
			return
		}
		if !r.take(token) {
			return
		}
	}
	switch {
	case r.elements == 0:
		r.found.fatal("not-svg", "the file has no svg element")
	case !r.titled:
		r.found.fatal("no-title", "the logo has no title")
	default:
		r.judgeTitle()
	}
}

// take handles one token; false stops the reading.
func (r *logoReader) take(token xml.Token) bool {
	switch t := token.(type) {
	case xml.StartElement:
		return r.start(t)
	case xml.EndElement:
		r.path = r.path[:len(r.path)-1]
	case xml.CharData:
		if len(r.path) == 2 && r.path[1] == "title" && len(r.logo.Title) < 4*maxTitle {
			r.logo.Title += string(t[:min(len(t), 4*maxTitle)])
		}
	case xml.Directive:
		if bytes.Contains(t, []byte("[")) {
			r.found.fatal("doctype", "the document type declares entities")
		} else {
			r.found.warn("doctype", "the file has a document type, which the profile does not need")
		}
	case xml.ProcInst:
		if t.Target != "xml" {
			r.found.fatal("external", "the file has a processing instruction (%.40s)", t.Target)
		}
	}
	return true
}

func (r *logoReader) start(e xml.StartElement) bool {
	r.elements++
	r.path = append(r.path, e.Name.Local)
	switch {
	case len(r.path) > maxDepth:
		r.found.fatal("too-deep", "elements are nested more than %d deep", maxDepth)
		return false
	case r.elements > maxElements:
		r.found.fatal("too-many", "the logo has more than %d elements", maxElements)
		return false
	case r.elements == 1:
		return r.root(e)
	case slices.Contains(r.path[:len(r.path)-1], "metadata"):
		return true // what describes the picture is not drawn
	}
	r.element(e)
	return true
}

func (r *logoReader) root(e xml.StartElement) bool {
	if e.Name.Local != "svg" || e.Name.Space != svgSpace {
		r.found.fatal("not-svg", "the file is no SVG: its root is %.40q in the namespace %.60q", e.Name.Local, e.Name.Space)
		return false
	}
	r.logo.Version, r.logo.BaseProfile = attr(e, "version"), attr(e, "baseProfile")
	if r.logo.Version != "1.2" {
		r.found.fatal("version", "the version is %.20q, not 1.2", r.logo.Version)
	}
	if r.logo.BaseProfile != "tiny-ps" {
		r.found.fatal("base-profile", "the baseProfile is %.20q, not tiny-ps", r.logo.BaseProfile)
	}
	if attr(e, "x") != "" || attr(e, "y") != "" {
		r.found.fatal("position", "the svg element has x or y")
	}
	r.viewBox(attr(e, "viewBox"))
	r.attributes(e)
	return true
}

func (r *logoReader) viewBox(value string) {
	fields := strings.FieldsFunc(value, func(c rune) bool { return strings.ContainsRune(" ,\t\r\n", c) })
	if len(fields) == 0 {
		r.found.warn("no-view-box", "the svg element has no viewBox; its shape is unknown")
		return
	}
	var box [4]float64
	ok := len(fields) == len(box)
	for i := 0; ok && i < len(box); i++ {
		var err error
		box[i], err = strconv.ParseFloat(fields[i], 64)
		ok = err == nil
	}
	if !ok || !(box[2] > 0 && box[3] > 0) {
		r.found.fatal("view-box", "the viewBox %.60q is not four numbers", value)
		return
	}
	r.logo.ViewBox = box
	if !r.logo.IsSquare() {
		r.found.warn("not-square", "the logo is %g by %g, not square", box[2], box[3])
	}
}

func (r *logoReader) element(e xml.StartElement) {
	name := e.Name.Local
	switch {
	case e.Name.Space != svgSpace:
		r.found.warn("element", "the element %.40q of another namespace does not belong in a logo", name)
	case r.profile.Forbidden[name] != "":
		r.found.fatal(r.profile.Forbidden[name], "the element %q is not allowed", name)
	case !slices.Contains(r.profile.Allowed, name):
		r.found.fatal("element", "the element %.40q is not in SVG Tiny PS", name)
	case name == "title" && len(r.path) == 2:
		r.titled = true
	}
	r.attributes(e)
}

func (r *logoReader) attributes(e xml.StartElement) {
	for _, a := range e.Attr {
		name, value := a.Name.Local, strings.TrimSpace(a.Value)
		switch {
		case a.Name.Space == "xmlns" || name == "xmlns":
		case strings.HasPrefix(strings.ToLower(name), "on"):
			r.found.fatal("event-handler", "the attribute %.40q is not allowed", name)
		case name == "href" && !strings.HasPrefix(value, "#"):
			r.found.fatal("external", "%.20s refers to %.80q; only references into the file are allowed", name, value)
		case refersOutside(value):
			r.found.fatal("external", "%.20s refers outside the file: %.80q", name, value)
		case name == "style":
			r.found.warn("style", "the style attribute is not in SVG Tiny")
		}
	}
}

// refersOutside reports whether a value has a url() that leaves the file.
func refersOutside(value string) bool {
	lower := strings.ToLower(value)
	for {
		_, rest, ok := strings.Cut(lower, "url(")
		if !ok {
			return strings.Contains(lower, "@import") || strings.HasPrefix(lower, "javascript:")
		}
		if !strings.HasPrefix(strings.TrimLeft(rest, " \t'\""), "#") {
			return true
		}
		lower = rest
	}
}

func (r *logoReader) judgeTitle() {
	title := strings.Join(strings.Fields(r.logo.Title), " ")
	r.logo.Title = title
	switch {
	case title == "":
		r.found.fatal("no-title", "the title is empty")
	case len([]rune(title)) > maxTitle:
		r.found.warn("title", "the title is longer than %d characters", maxTitle)
	}
	for _, words := range r.profile.GeneratorTitles {
		if l := strings.ToLower(title); l == words || strings.Contains(words, " ") && strings.Contains(l, words) {
			r.found.warn("generator-title", "the title %q names a program, not the brand", title)
		}
	}
}

func attr(e xml.StartElement, name string) string {
	for _, a := range e.Attr {
		if a.Name.Space == "" && a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}
