package layout

import (
	"errors"
	"testing"
	"time"
)

// Bytes that would crash the decoder alone, or that it would take for another value.
func TestHostileMetadataIsRefused(t *testing.T) {
	hostile := map[string][]byte{
		"a map inside an extension": {0xd7, 0x05, 0xdf, 0xff, 0xff, 0xff, 0xff, 0, 0, 0},
		"an extension of its own":   {0xd4, 0x07, 0x01},
		"a timestamp of one byte":   {0xd4, 0xff, 0x01},
		"too many nanoseconds":      {0xd7, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0},
	}
	for name, b := range hostile {
		var m map[string]any
		var v any
		if err := DecodeMeta(b, &m); !errors.Is(err, ErrMsgpack) {
			t.Errorf("%s: into a map: %v", name, err)
		}
		if err := DecodeMeta(b, &v); !errors.Is(err, ErrMsgpack) {
			t.Errorf("%s: into any: %v", name, err)
		}
	}
}

func TestTimestampsOfEveryLength(t *testing.T) {
	for _, want := range []time.Time{time.Unix(1, 0), time.Unix(1<<33, 5), time.Unix(1<<35, 999_999_999)} {
		b, err := EncodeMeta(nil, want)
		if err != nil {
			t.Fatal(err)
		}
		var got time.Time
		if err := DecodeMeta(b, &got); err != nil || !got.Equal(want) {
			t.Errorf("%v became %v (% x): %v", want, got, b, err)
		}
	}
}

func TestTextThatIsNotUTF8IsNotEncoded(t *testing.T) {
	for _, v := range []any{"\xff", map[string]any{"a": []string{"ok", "\xc3"}}, map[string]any{"\xfe": 1}} {
		if _, err := EncodeMeta(nil, v); !errors.Is(err, ErrMsgpack) {
			t.Errorf("%q: %v", v, err)
		}
	}
}
