package main

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/dunlin-network/dunlin/rollupapi/gen/dunlin/v1"
)

// TestPrintNamespaces: whatever a node says of owners and admins can be shown.
func TestPrintNamespaces(t *testing.T) {
	for _, key := range []string{"a", "abcdefgh", strings.Repeat("abcdefgh", 8)} {
		var out strings.Builder
		c := &cobra.Command{}
		c.SetOut(&out)
		err := printNamespaces(c, &dunlinv1.GetNetworkResponse{
			Namespaces: []*dunlinv1.NamespaceInfo{{Id: 7, Name: "seven", Scheme: "ethereum", ChainId: 70, Owner: key, Quota: 5, Closed: true}},
			Admin:      &dunlinv1.AdminInfo{Keys: []string{key}, Threshold: 1, Open: 3, Opened: 2},
		})
		shown := key[:min(len(key), 8)]
		for _, want := range []string{"7   seven  ethereum:70", "5 B/block", shown + " ", "closed", "Admins, 1 together: " + shown + "; owners have registered 2 of 3"} {
			if err != nil || !strings.Contains(out.String(), want) {
				t.Errorf("owner %q: %q is missing from\n%s%v", key, want, out.String(), err)
			}
		}
	}
}
