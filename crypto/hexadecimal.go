package crypto

import (
	"encoding/hex"
	"fmt"
)

// decodeHex fills dst from text, which must be lower-case hex of exactly dst's length, so that a
// value has one text. On an error dst is left as it was.
func decodeHex(dst []byte, text []byte, what string) error {
	if len(text) != 2*len(dst) {
		return fmt.Errorf("parse %s: %d characters, want %d hex digits", what, len(text), 2*len(dst))
	}
	for i, c := range text {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return fmt.Errorf("parse %s: character %q at position %d, want lower-case hex", what, c, i)
		}
	}
	if _, err := hex.Decode(dst, text); err != nil {
		panic("crypto: hex digits do not decode: " + err.Error())
	}
	return nil
}

func encodeHex(b []byte) []byte { return hex.AppendEncode(nil, b) }
