package web

import (
	"cmp"
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"
)

// The description of the API, in OpenAPI 3.1, is made from the catalogue and from the types
// that Go itself encodes: it cannot say anything else than what is answered.

// describeAPI is the whole description.
func describeAPI() []byte {
	s := schemas{}
	paths := map[string]any{}
	for _, o := range Catalogue() {
		paths[apiPath+callPath+o.Name] = map[string]any{"post": o.describe(s)}
	}
	s.of(reflect.TypeFor[Error]())
	text, err := json.MarshalIndent(map[string]any{
		"openapi": "3.1.1",
		"info": map[string]any{
			"title": "Allgreen", "version": "1",
			"description": "The administration of a mail server. Each call is a POST with a JSON object. Answers may get " +
				"new fields; what would break a program becomes v2, beside this.",
		},
		"paths": paths,
		"components": map[string]any{
			"schemas": s,
			"securitySchemes": map[string]any{
				"token":   map[string]any{"type": "http", "scheme": "bearer", "description": "A token of: allgreen web token add NAME [--read-only]"},
				"session": map[string]any{"type": "apiKey", "in": "cookie", "name": "__Host-allgreen", "description": "Somebody who is logged in on the pages."},
			},
		},
	}, "", " ")
	if err != nil {
		panic(err) // all of it is made of strings
	}
	return text
}

// describe is one operation.
func (o Operation) describe(s schemas) map[string]any {
	request := s.of(o.in)
	request["unevaluatedProperties"] = false
	responses := map[string]any{"200": answerOf("What was asked for.", s.of(o.out))}
	for _, k := range []Kind{Failed, Invalid, NotFound, Conflict, Temporary, Stranger, Forbidden} {
		responses[fmt.Sprint(k.status())] = answerOf(k.meaning(), schema{"$ref": refTo("Error")})
	}
	security := []any{map[string]any{"session": []string{}}}
	if o.Access < Person {
		security = append(security, map[string]any{"token": []string{}})
	}
	subject, _, _ := strings.Cut(o.Name, ".")
	return map[string]any{
		"operationId": o.Name,
		"summary":     o.Does,
		"description": o.Access.needs(),
		"tags":        []string{subject},
		"security":    security,
		"requestBody": map[string]any{"content": asJSON(request)},
		"responses":   responses,
	}
}

// needs says who may make a call.
func (a Access) needs() string {
	switch a {
	case Looks:
		return "Changes nothing and shows no secret. Any token may ask."
	case Changes:
		return "Needs a token that is not read-only."
	}
	return "Only for somebody who is logged in: no token may."
}

// meaning says what an error of this kind is.
func (k Kind) meaning() string {
	return map[Kind]string{
		Failed: "The server could not; its log says why.", Invalid: "The question makes no sense.",
		NotFound: "There is no such thing.", Conflict: "It exists already, or its state forbids this.",
		Temporary: "Not now: try again.", Stranger: "A token or a login is needed.", Forbidden: "This token may not.",
	}[k]
}

func answerOf(description string, of schema) map[string]any {
	return map[string]any{"description": description, "content": asJSON(of)}
}

func asJSON(of schema) map[string]any {
	return map[string]any{"application/json": map[string]any{"schema": of}}
}

// schema is one JSON schema; schemas are those that have a name.
type (
	schema  map[string]any
	schemas map[string]schema
)

func refTo(name string) string { return "#/components/schemas/" + name }

var (
	asTime = reflect.TypeFor[time.Time]()
	asRaw  = reflect.TypeFor[json.RawMessage]()
	asText = reflect.TypeFor[encoding.TextMarshaler]()
)

// of is how values of a type look in JSON.
func (s schemas) of(t reflect.Type) schema {
	switch {
	case t == asTime:
		return schema{"type": "string", "format": "date-time"}
	case t == asRaw, t.Kind() == reflect.Interface:
		return schema{}
	case t.Implements(asText):
		return schema{"type": "string"}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return s.of(t.Elem())
	case reflect.Bool:
		return schema{"type": "boolean"}
	case reflect.String:
		return schema{"type": "string"}
	case reflect.Float32, reflect.Float64:
		return schema{"type": "number"}
	case reflect.Slice, reflect.Array:
		return s.list(t)
	case reflect.Map:
		return schema{"type": "object", "additionalProperties": s.of(t.Elem())}
	case reflect.Struct:
		return s.named(t)
	}
	return schema{"type": "integer"}
}

func (s schemas) list(t reflect.Type) schema {
	if t.Elem().Kind() == reflect.Uint8 {
		return schema{"type": "string", "contentEncoding": "base64"}
	}
	return schema{"type": "array", "items": s.of(t.Elem())}
}

// named keeps the schema of a struct under its name and refers to it.
func (s schemas) named(t reflect.Type) schema {
	name := t.Name()
	if pkg := t.PkgPath(); pkg != reflect.TypeFor[Error]().PkgPath() {
		name = pkg[strings.LastIndexByte(pkg, '/')+1:] + "." + name
	}
	if s[name] == nil {
		o := schema{"type": "object"}
		s[name] = o // before its fields, which may be of the same type
		properties, required := schema{}, []string{}
		for _, f := range fieldsOf(t) {
			properties[f.name] = s.of(f.of)
			if !f.optional {
				required = append(required, f.name)
			}
		}
		o["properties"] = properties
		if len(required) > 0 {
			o["required"] = required
		}
	}
	return schema{"$ref": refTo(name)}
}

// field is one of a JSON object.
type field struct {
	name     string
	of       reflect.Type
	optional bool
}

// fieldsOf are the fields that encoding/json writes, those of embedded structs among them.
func fieldsOf(t reflect.Type) (all []field) {
	for f := range t.Fields() {
		tag, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous && tag == "" && f.Type.Kind() == reflect.Struct:
			all = append(all, fieldsOf(f.Type)...)
		case f.IsExported() && tag != "-":
			optional := strings.Contains(options, "omit") || f.Type.Kind() == reflect.Pointer
			all = append(all, field{cmp.Or(tag, f.Name), f.Type, optional})
		}
	}
	return all
}
