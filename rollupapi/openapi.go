package rollupapi

import (
	"encoding"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"sync"

	"google.golang.org/protobuf/reflect/protoreflect"

	pb "github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1"
)

// object is a JSON object of the OpenAPI document.
type object map[string]any

// openAPI serves the OpenAPI document, which is made when it is first asked for.
func (s *Server) openAPI(w http.ResponseWriter, _ *http.Request) error {
	s.openAPIOnce.Do(func() { s.openAPIText = s.openAPIDocument() })
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(s.openAPIText) // a client that left has no use for the error
	return nil
}

// document gathers what the OpenAPI document consists of.
type document struct {
	paths   object
	schemas object
}

// openAPIDocument describes every Connect procedure, from the compiled schema, and every route.
func (s *Server) openAPIDocument() []byte {
	d := &document{paths: object{}, schemas: object{}}
	for _, file := range []protoreflect.FileDescriptor{pb.File_dunlin_v1_ingress_proto, pb.File_dunlin_v1_status_proto, pb.File_dunlin_v1_read_proto} {
		for i := range file.Services().Len() {
			d.service(file.Services().Get(i))
		}
	}
	for _, r := range s.routes() {
		d.route(r)
	}
	raw, err := json.MarshalIndent(object{
		"openapi": "3.1.0",
		"info": object{
			"title": "Dunlin", "version": "v1",
			"description": "The rollup-facing interface of a Dunlin node. Paths with /dunlin.v1. are Connect procedures with JSON bodies (64-bit numbers as strings, bytes in base64), and speak gRPC and gRPC-web too.",
		},
		"paths": d.paths,
		"components": object{
			"schemas":         d.schemas,
			"securitySchemes": object{"token": object{"type": "http", "scheme": "bearer"}},
		},
		"security": []object{{}, {"token": []string{}}},
	}, "", " ")
	if err != nil {
		panic("rollupapi: the OpenAPI document does not encode: " + err.Error())
	}
	return append(raw, '\n')
}

// service adds the procedures of a Connect service.
func (d *document) service(service protoreflect.ServiceDescriptor) {
	for i := range service.Methods().Len() {
		m := service.Methods().Get(i)
		name := string(service.FullName()) + "/" + string(m.Name())
		kind, summary := "application/json", string(m.Name())
		if m.IsStreamingServer() {
			kind, summary = "application/connect+json", summary+" (a stream of Connect envelopes)"
		}
		operation := object{
			"operationId": strings.ReplaceAll(name, "/", "."), "summary": summary, "tags": []string{string(service.Name())},
			"requestBody": object{"required": true, "content": object{kind: object{"schema": d.message(m.Input())}}},
			"responses": object{
				"200":     object{"description": "the answer", "content": object{kind: object{"schema": d.message(m.Output())}}},
				"default": object{"description": "a Connect error with a detail of type dunlin.v1.ErrorInfo; see errors.md"},
			},
		}
		d.message((&pb.ErrorInfo{}).ProtoReflect().Descriptor())
		d.paths["/"+name] = object{"post": operation}
	}
}

// message refers to the schema of a message, which it adds if it is new.
func (d *document) message(m protoreflect.MessageDescriptor) object {
	name := string(m.FullName())
	if _, known := d.schemas[name]; !known {
		properties := object{}
		d.schemas[name] = object{"type": "object", "properties": properties}
		for i := range m.Fields().Len() {
			f := m.Fields().Get(i)
			schema := d.field(f)
			if f.IsList() {
				schema = object{"type": "array", "items": schema}
			}
			properties[f.JSONName()] = schema
		}
	}
	return object{"$ref": "#/components/schemas/" + name}
}

// field is the schema of one value of a field in protobuf's JSON.
func (d *document) field(f protoreflect.FieldDescriptor) object {
	switch f.Kind() {
	case protoreflect.MessageKind:
		return d.message(f.Message())
	case protoreflect.EnumKind:
		var names []string
		for i := range f.Enum().Values().Len() {
			names = append(names, string(f.Enum().Values().Get(i).Name()))
		}
		return object{"type": "string", "enum": names}
	case protoreflect.BoolKind:
		return object{"type": "boolean"}
	case protoreflect.StringKind:
		return object{"type": "string"}
	case protoreflect.BytesKind:
		return object{"type": "string", "contentEncoding": "base64"}
	case protoreflect.DoubleKind, protoreflect.FloatKind:
		return object{"type": "number"}
	case protoreflect.Uint64Kind, protoreflect.Int64Kind:
		return object{"type": "string", "pattern": "^-?[0-9]+$"}
	}
	return object{"type": "integer"}
}

// route adds a REST or JSON-RPC address.
func (d *document) route(r route) {
	method, path, _ := strings.Cut(r.pattern, " ")
	path = strings.TrimSuffix(path, "{$}")
	operation := object{
		"operationId": strings.ToLower(method) + strings.NewReplacer("/", "_", "{", "", "}", "", ".", "_").Replace(path), "summary": r.summary, "tags": []string{"REST"},
		"responses": object{
			"200":     object{"description": "the answer"},
			"default": object{"description": "a problem document; see errors.md", "content": object{"application/problem+json": object{"schema": d.form(reflect.TypeOf(problem{}))}}},
		},
	}
	var parameters []object
	for _, part := range strings.Split(path, "/") {
		if strings.HasPrefix(part, "{") {
			parameters = append(parameters, object{"name": strings.Trim(part, "{}"), "in": "path", "required": true, "schema": object{"type": "string"}})
		}
	}
	for _, name := range r.query {
		parameters = append(parameters, object{"name": name, "in": "query", "schema": object{"type": "string"}})
	}
	if parameters != nil {
		operation["parameters"] = parameters
	}
	switch r.body.(type) {
	case nil:
	case []byte:
		operation["requestBody"] = object{"required": true, "content": object{"application/octet-stream": object{}}}
	default:
		operation["requestBody"] = object{"required": true, "content": object{"application/json": object{"schema": d.form(reflect.TypeOf(r.body))}}}
	}
	at, ok := d.paths[path].(object)
	if !ok {
		at = object{}
		d.paths[path] = at
	}
	at[strings.ToLower(method)] = operation
}

var textMarshaler = reflect.TypeFor[encoding.TextMarshaler]()

// form is the schema of a Go type as encoding/json writes it.
func (d *document) form(t reflect.Type) object {
	switch {
	case t == reflect.TypeFor[hexBytes]():
		return object{"type": "string", "pattern": "^0[xX]([0-9a-fA-F]{2})*$"}
	case t == reflect.TypeFor[namespaceName]():
		return object{"type": []string{"integer", "string"}, "description": "a namespace's id or name"}
	case t == reflect.TypeFor[json.RawMessage]():
		return object{}
	case t.Implements(textMarshaler):
		return object{"type": "string"}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return d.form(t.Elem())
	case reflect.Slice:
		return object{"type": "array", "items": d.form(t.Elem())}
	case reflect.Struct:
		properties := object{}
		d.fields(t, properties)
		return object{"type": "object", "properties": properties}
	case reflect.String:
		return object{"type": "string"}
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.Int, reflect.Int64, reflect.Uint32, reflect.Uint64:
		return object{"type": "integer"}
	}
	panic(fmt.Sprintf("rollupapi: no schema for %s", t))
}

// fields adds the fields of a struct, embedded ones as their own.
func (d *document) fields(t reflect.Type, into object) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous && name == "":
			d.fields(f.Type, into)
		case name != "-" && name != "":
			into[name] = d.form(f.Type)
		}
	}
}

// openAPIState is the document, once it is made.
type openAPIState struct {
	openAPIOnce sync.Once
	openAPIText []byte
}
