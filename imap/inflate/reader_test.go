package inflate

import (
	"bytes"
	"compress/flate"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
)

func deflate(t testing.TB, level int, pieces ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, level)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range pieces {
		io.WriteString(w, p)
		w.Flush()
	}
	w.Close()
	return b.Bytes()
}

func TestReader(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, 200_000)
	for i := range noise {
		noise[i] = byte(random.IntN(256))
	}
	for name, text := range map[string]string{
		"nothing": "", "a word": "NOOP\r\n", "repeated": strings.Repeat("abc", 100_000), "noise": string(noise),
		"words": strings.Repeat(string(noise[:5000])+"the quick brown fox", 40),
	} {
		for level := flate.HuffmanOnly; level <= flate.BestCompression; level++ {
			packed := deflate(t, level, text[:len(text)/3], text[len(text)/3:])
			got, err := io.ReadAll(NewReader(bytes.NewReader(packed)))
			if err != nil || string(got) != text {
				t.Errorf("%s at level %d: %d octets of %d, %v", name, level, len(got), len(text), err)
			}
		}
	}
}

// partial is "NOOP\r\n" and "DONE\r\n" by zlib, each ended by Z_PARTIAL_FLUSH.
var partial = [2]string{"\xf2\xf3\xf7\x0f\xe0\xe5\x02\x08", "\x20\x17\x7f\x3f\x57\x5e\x2e\x80\x00"}

// What came is given out, although the other side said no more than Z_PARTIAL_FLUSH.
func TestReaderDoesNotWait(t *testing.T) {
	from, to := io.Pipe()
	r := NewReader(from)
	for i, want := range []string{"NOOP\r\n", "DONE\r\n"} {
		go io.WriteString(to, partial[i])
		p := make([]byte, 100)
		if n, err := r.Read(p); string(p[:n]) != want || err != nil {
			t.Fatalf("read %q, %v; want %q", p[:n], err, want)
		}
	}
}

// Octet by octet it is the same.
func TestReaderInPieces(t *testing.T) {
	text := strings.Repeat("a STORE 1:5 +FLAGS (\\Seen)\r\n", 3000)
	packed := deflate(t, 6, text)
	from, to := io.Pipe()
	go func() {
		for i := range packed {
			to.Write(packed[i : i+1])
		}
		to.Close()
	}()
	if got, err := io.ReadAll(NewReader(from)); string(got) != text || err != nil {
		t.Errorf("%d octets of %d, %v", len(got), len(text), err)
	}
}

func TestReaderRefuses(t *testing.T) {
	for name, tt := range map[string]struct {
		packed string
		want   error
	}{
		"the fourth kind of block":   {"\x07", ErrCorrupt},
		"a stored block of two ends": {"\x01\x05\x00\x00\x00hello", ErrCorrupt},
		"a copy of nothing":          {"\x03\x02\x00", ErrCorrupt},
		"too many codes":             {"\x05\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", ErrCorrupt},
		"an end in the middle":       {"\xf2\xf3", io.ErrUnexpectedEOF},
	} {
		if got, err := io.ReadAll(NewReader(strings.NewReader(tt.packed))); !errors.Is(err, tt.want) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

// FuzzReader compares with the decoder of the standard library.
func FuzzReader(f *testing.F) {
	for level := flate.HuffmanOnly; level <= flate.BestCompression; level++ {
		f.Add(deflate(f, level, strings.Repeat("a LOGIN b c\r\n", 20), "x"))
	}
	f.Add([]byte(partial[0] + partial[1]))
	f.Fuzz(func(t *testing.T, packed []byte) {
		const most = 1 << 20
		got, err := io.ReadAll(io.LimitReader(NewReader(bytes.NewReader(packed)), most))
		want, wantErr := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(packed)), most))
		if wantErr == nil && (err != nil || !bytes.Equal(got, want)) {
			t.Fatalf("%d octets, %v; want %d", len(got), err, len(want))
		}
	})
}
