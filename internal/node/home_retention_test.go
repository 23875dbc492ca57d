package node

import (
	"testing"

	"github.com/dunlin-network/dunlin/store"
)

func TestRetentionOfConfig(t *testing.T) {
	for text, want := range map[string]*store.Retention{
		"archive": {}, "100000 commits": {Commits: 100000}, "20 GiB": {Bytes: 20 << 30},
		"": nil, "all": nil, "100 commits": nil, "0 GiB": nil, "-1 GiB": nil, "9999999999 GiB": nil, "20GiB": nil, "20 GiB ": nil, "20 MiB": nil,
	} {
		got, err := StoreConfig{Retention: text}.retention()
		if (err == nil) != (want != nil) || (want != nil && got != *want) {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
}
