package rollupapi_test

import (
	"html"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/dunlin-network/dunlin/rollupapi/apitest"
)

var pageLink = regexp.MustCompile(`href="([^"]+)"`)

// TestPageLinks follows every link of the page for people, but for streams, which do not end.
func TestPageLinks(t *testing.T) {
	c := apitest.New(t)
	c.OpenSealing(t)
	c.OpenCertificates(t)
	growChain(t, c)
	c.Certify(t, c.Heads().Committed)
	url, _ := c.Serve(t)
	_, page := get(t, url+"/")
	followed := 0
	for _, link := range pageLink.FindAllStringSubmatch(string(page), -1) {
		path := html.UnescapeString(link[1])
		if strings.HasPrefix(path, "/v1/stream") {
			continue
		}
		if code, body := get(t, url+path); code != http.StatusOK {
			t.Errorf("%s: %d, %.200s", path, code, body)
		}
		followed++
	}
	if followed < 10 {
		t.Errorf("%d links to follow in %s", followed, page)
	}
}
