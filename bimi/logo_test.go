package bimi

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

const goodLogo = `<?xml version="1.0" encoding="UTF-8"?>
<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" version="1.2" baseProfile="tiny-ps" viewBox="0 0 64 64">
  <title>Example Brand</title>
  <defs><linearGradient id="g"><stop offset="0" stop-color="#fff"/></linearGradient></defs>
  <rect width="64" height="64" fill="url(#g)"/>
  <use xlink:href="#g"/>
</svg>
`

func zip(t testing.TB, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	z.Write(data)
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestJudgeLogo(t *testing.T) {
	with := func(old, replacement string) string {
		if !strings.Contains(goodLogo, old) {
			t.Fatalf("the logo has no %q", old)
		}
		return strings.Replace(goodLogo, old, replacement, 1)
	}
	inside := func(s string) string { return with("</svg>", s+"</svg>") }
	tests := []struct{ name, file, codes string }{
		{"good", goodLogo, ""},
		{"packed", string(zip(t, []byte(goodLogo))), ""},
		{"metadata of an editor", inside(`<metadata><r:RDF xmlns:r="urn:x"><r:a on="1"/></r:RDF></metadata>`), ""},
		{"version 1.1", with(`version="1.2"`, `version="1.1"`), "version!"},
		{"profile tiny", with(`tiny-ps`, `tiny`), "base-profile!"},
		{"no profile", with(` baseProfile="tiny-ps"`, ``), "base-profile!"},
		{"x", with(`version="1.2"`, `version="1.2" x="0"`), "position!"},
		{"no title", with(`<title>Example Brand</title>`, ``), "no-title!"},
		{"empty title", with(`Example Brand`, ` `), "no-title!"},
		{"title inside", with(`<title>Example Brand</title>`, `<g><title>Example</title></g>`), "no-title!"},
		{"long title", with(`Example Brand`, strings.Repeat("word ", 20)), "title"},
		{"generator", with(`Example Brand`, `Created with Sketch.`), "generator-title"},
		{"no viewBox", with(` viewBox="0 0 64 64"`, ``), "no-view-box"},
		{"viewBox of words", with(`0 0 64 64`, `0 0 wide high`), "view-box!"},
		{"viewBox not a number", with(`0 0 64 64`, `0 0 NaN NaN`), "view-box!"},
		{"viewBox with commas", with(`0 0 64 64`, `0,0, 64.5 ,64.5`), ""},
		{"oblong", with(`0 0 64 64`, `0 0 64 32`), "not-square"},
		{"script", inside(`<script>alert(1)</script>`), "script!"},
		{"onload", with(`<rect`, `<rect onload="x()"`), "event-handler!"},
		{"animation", inside(`<animate attributeName="x"/><set/>`), "animation! animation!"},
		{"raster", inside(`<image xlink:href="data:image/png;base64,AA=="/>`), "raster! external!"},
		{"video", inside(`<video/>`), "media!"},
		{"link", inside(`<a xlink:href="https://e.example/"/>`), "link! external!"},
		{"foreign object", inside(`<foreignObject/>`), "foreign!"},
		{"use from outside", with(`"#g"`, `"other.svg#g"`), "external!"},
		{"href without prefix", with(`xlink:href="#g"`, `href="//e.example/x"`), "external!"},
		{"fill from outside", with(`url(#g)`, `url( 'https://e.example/x#g')`), "external!"},
		{"second url", with(`url(#g)`, `url(#g) url(x)`), "external!"},
		{"style element", inside(`<style>rect{}</style>`), "style!"},
		{"style attribute", with(`<rect`, `<rect style="fill:red"`), "style"},
		{"style sheet", with(`?>`, `?><?xml-stylesheet href="x.css"?>`), "external!"},
		{"filter", inside(`<filter/>`), "element!"},
		{"element of an editor", inside(`<i:x xmlns:i="urn:inkscape"/>`), "element"},
		{"doctype", with(`?>`, `?><!DOCTYPE svg>`), "doctype"},
		{"entities", with(`?>`, `?><!DOCTYPE svg [<!ENTITY a "b">]>`), "doctype!"},
		{"entity used", with(`Example Brand`, `&a;`), "xml!"},
		{"not closed", strings.TrimSuffix(goodLogo, "</svg>\n"), "xml!"},
		{"latin 1", with(`UTF-8`, `ISO-8859-1`), "xml!"},
		{"html", `<html><body/></html>`, "not-svg!"},
		{"no namespace", with(` xmlns="http://www.w3.org/2000/svg"`, ``), "not-svg!"},
		{"empty", ``, "not-svg!"},
		{"PNG", "\x89PNG\r\n\x1a\n", "xml!"},
		{"large", with(`<rect`, strings.Repeat(`<rect width="1"/>`, 2000)+`<rect`), "too-large"},
		{"too many", with(`<rect`, strings.Repeat(`<g/>`, maxElements)+`<rect`), "too-large too-many!"},
		{"too deep", inside(strings.Repeat(`<g>`, maxDepth)), "too-deep!"},
		{"bomb", string(zip(t, make([]byte, maxUnpacked+1))), "xml!"},
		{"broken gzip", "\x1f\x8bxx", "xml!"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, problems := JudgeLogo([]byte(tt.file)); codes(problems) != tt.codes {
				t.Errorf("got %q %v, want %q", codes(problems), problems, tt.codes)
			}
		})
	}
	l, _ := JudgeLogo([]byte(goodLogo))
	if l.Title != "Example Brand" || !l.IsSquare() || l.Size != len(goodLogo) {
		t.Errorf("got %+v", l)
	}
	if (Logo{}).IsSquare() {
		t.Error("the zero logo is square")
	}
}

func TestProfileData(t *testing.T) {
	var p profile
	dec := json.NewDecoder(bytes.NewReader(tinyPSJSON))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&p); err != nil {
		t.Fatal(err)
	}
	for name := range p.Forbidden {
		if slices.Contains(p.Allowed, name) {
			t.Errorf("%s is allowed and forbidden", name)
		}
	}
	for _, must := range []string{"svg", "title", "path", "g"} {
		if !slices.Contains(p.Allowed, must) {
			t.Errorf("%s is not allowed", must)
		}
	}
}

func FuzzSVG(f *testing.F) {
	f.Add([]byte(goodLogo))
	f.Add(zip(f, []byte(goodLogo)))
	f.Add([]byte(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="1e999 0 0 0"><title/><script/></svg>`))
	f.Fuzz(func(t *testing.T, file []byte) {
		l, problems := JudgeLogo(file)
		if len(problems) > maxProblems+1 {
			t.Errorf("%d problems", len(problems))
		}
		if !HasFatal(problems) && (l.BaseProfile != "tiny-ps" || l.Title == "") {
			t.Errorf("passes as %s", fmt.Sprint(l))
		}
	})
}
