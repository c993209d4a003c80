package inflate

// longest is the longest code, in bits.
const longest = 15

// table is a canonical Huffman code (RFC 1951 section 3.2.2): how many codes there are of
// each length, and the symbols in the order of their codes.
type table struct {
	count   [longest + 1]uint16
	symbols [288]uint16
}

// The codes of blocks that send none (RFC 1951 section 3.2.6).
var fixedSymbols, fixedOffsets = fixedTables()

func fixedTables() (symbols, offsets table) {
	var lengths [288]uint8
	for i := range lengths {
		switch {
		case i < 144:
			lengths[i] = 8
		case i < 256:
			lengths[i] = 9
		case i < 280:
			lengths[i] = 7
		default:
			lengths[i] = 8
		}
	}
	symbols.make(lengths[:])
	for i := range 30 {
		lengths[i] = 5
	}
	offsets.make(lengths[:30])
	return symbols, offsets
}

// make makes the code of lengths. It is false where there are more codes than there is
// room for; fewer are taken, for encoders send them where only one symbol is used.
func (t *table) make(lengths []uint8) bool {
	clear(t.count[:])
	for _, n := range lengths {
		t.count[n]++
	}
	t.count[0] = 0
	room := 1
	var at [longest + 2]uint16
	for n := 1; n <= longest; n++ {
		if room = room<<1 - int(t.count[n]); room < 0 {
			return false
		}
		at[n+1] = at[n] + t.count[n]
	}
	for symbol, n := range lengths {
		if n > 0 {
			t.symbols[at[n]] = uint16(symbol)
			at[n]++
		}
	}
	return true
}

// decode finds the symbol whose code begins at a place of the bits, and the length of
// the code.
func (t *table) decode(r *Reader, at uint) (symbol int, n uint, v verdict) {
	code, first, index := 0, 0, 0
	for n = 1; n <= longest; n++ {
		bit, ok := r.look(at+n-1, 1)
		if !ok {
			return 0, 0, short
		}
		code |= bit
		count := int(t.count[n])
		if code-count < first {
			return int(t.symbols[index+code-first]), n, done
		}
		index, first, code = index+count, (first+count)<<1, code<<1
	}
	return 0, 0, corrupt
}
