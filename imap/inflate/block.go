package inflate

// block reads the head of a block (RFC 1951 section 3.2.3).
func (r *Reader) block() verdict {
	if r.final {
		return ended
	}
	head, ok := r.look(0, 3)
	if !ok {
		return short
	}
	r.use(3)
	r.final = head&1 != 0
	switch head >> 1 {
	case 0:
		r.use(r.count % 8) // whole octets are in bits, so this is up to the next one
		r.step = (*Reader).storedHead
	case 1:
		r.symbols, r.offsets = fixedSymbols, fixedOffsets
		r.step = (*Reader).symbol
	case 2:
		r.step = (*Reader).dynamicHead
	default:
		return corrupt
	}
	return done
}

func (r *Reader) storedHead() verdict {
	n, ok := r.look(0, 16)
	inverse, whole := r.look(16, 16)
	if !ok || !whole {
		return short
	}
	if n != ^inverse&0xffff {
		return corrupt
	}
	r.use(32)
	r.left, r.step = n, (*Reader).stored
	return done
}

// stored copies octets of a block that is not compressed.
func (r *Reader) stored() verdict {
	if r.left == 0 {
		r.step = (*Reader).block
		return done
	}
	octet, ok := r.look(0, 8)
	if !ok {
		return short
	}
	r.use(8)
	r.out = append(r.out, byte(octet))
	r.left--
	return done
}

// dynamicHead reads how many codes there are (RFC 1951 section 3.2.7).
func (r *Reader) dynamicHead() verdict {
	head, ok := r.look(0, 14)
	if !ok {
		return short
	}
	r.use(14)
	r.literal, r.coding = head&31+257, head>>10+4
	r.total = r.literal + head>>5&31 + 1
	if r.literal > 286 || r.total-r.literal > 30 {
		return corrupt
	}
	clear(r.lengths[:])
	r.have, r.step = 0, (*Reader).codeLengths
	return done
}

// order is the order of the code length codes.
var order = [...]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

func (r *Reader) codeLengths() verdict {
	if r.have == r.coding {
		if !r.codes.make(r.lengths[:len(order)]) {
			return corrupt
		}
		clear(r.lengths[:])
		r.have, r.step = 0, (*Reader).lengthsOf
		return done
	}
	n, ok := r.look(0, 3)
	if !ok {
		return short
	}
	r.use(3)
	r.lengths[order[r.have]] = uint8(n)
	r.have++
	return done
}

// lengthsOf reads the lengths of the codes, one or a run of them at a time.
func (r *Reader) lengthsOf() verdict {
	if r.have == r.total {
		return r.beginDynamic()
	}
	symbol, n, v := r.codes.decode(r, 0)
	if v != done {
		return v
	}
	if symbol < 16 {
		r.use(n)
		r.lengths[r.have] = uint8(symbol)
		r.have++
		return done
	}
	extra := [...]uint{2, 3, 7}[symbol-16]
	times, ok := r.look(n, extra)
	if !ok {
		return short
	}
	times += [...]int{3, 3, 11}[symbol-16]
	repeated := uint8(0)
	if symbol == 16 {
		if r.have == 0 {
			return corrupt
		}
		repeated = r.lengths[r.have-1]
	}
	if r.have+times > r.total {
		return corrupt
	}
	r.use(n + extra)
	for range times {
		r.lengths[r.have] = repeated
		r.have++
	}
	return done
}

func (r *Reader) beginDynamic() verdict {
	if r.lengths[256] == 0 || !r.symbols.make(r.lengths[:r.literal]) || !r.offsets.make(r.lengths[r.literal:r.total]) {
		return corrupt
	}
	r.step = (*Reader).symbol
	return done
}

// The meaning of the symbols (RFC 1951 section 3.2.5).
var (
	lengthFrom = [...]int{3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258}
	lengthBits = [...]uint{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0}
	offsetFrom = [...]int{1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073,
		4097, 6145, 8193, 12289, 16385, 24577}
	offsetBits = [...]uint{0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13}
)

// symbol decodes an octet, a copy, or the end of the block.
func (r *Reader) symbol() verdict {
	symbol, n, v := r.symbols.decode(r, 0)
	switch {
	case v != done:
		return v
	case symbol < 256:
		r.use(n)
		r.out = append(r.out, byte(symbol))
		return done
	case symbol == 256:
		r.use(n)
		r.step = (*Reader).block
		return done
	case symbol-257 >= len(lengthFrom):
		return corrupt
	}
	return r.copy(symbol-257, n)
}

// copy repeats what came before. Nothing is used before all of it is there.
func (r *Reader) copy(symbol int, n uint) verdict {
	length, ok := r.look(n, lengthBits[symbol])
	if !ok {
		return short
	}
	length += lengthFrom[symbol]
	n += lengthBits[symbol]
	symbol, taken, v := r.offsets.decode(r, n)
	if v != done {
		return v
	}
	if symbol >= len(offsetFrom) {
		return corrupt
	}
	n += taken
	back, ok := r.look(n, offsetBits[symbol])
	if !ok {
		return short
	}
	r.use(n + offsetBits[symbol])
	if back += offsetFrom[symbol]; back > len(r.out) {
		return corrupt
	}
	for range length {
		r.out = append(r.out, r.out[len(r.out)-back])
	}
	return done
}
