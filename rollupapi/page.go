package rollupapi

import (
	_ "embed"
	"html/template"
	"net/http"

	"github.com/dunlin-network/dunlin/dag"
)

//go:embed page.html
var pageText string

var pageTemplate = template.Must(template.New("page").Parse(pageText))

// page is what a person sees who opens the port in a browser.
func (s *Server) page(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
	_ = pageTemplate.Execute(w, struct { // a reader that left has no use for the error
		Node       NodeStatus
		Namespaces []dag.NamespaceRule
	}{s.nodeStatus(), s.backend.Registry.Registry().All()})
	return nil
}
