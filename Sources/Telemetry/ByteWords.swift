/// Bytes read eight at a time, with one bounds check for the eight.
///
/// The compiler makes one load of eight single reads from a span that it knows to hold as many.
/// `@inlinable`, because the readers of payloads live in another module, and a call would cost more
/// than the load.
extension Span<UInt8> {
    /// The byte at `offset`, or nil behind the end.
    @inlinable
    @inline(__always)
    package func byte(at offset: Int) -> UInt8? {
        guard UInt(bitPattern: offset) < UInt(bitPattern: count) else { return nil }
        return self[offset]
    }

    /// The eight bytes from `offset` on, the first in the lowest place; nil where fewer are left.
    @inlinable
    @inline(__always)
    package func word(at offset: Int) -> UInt64? {
        guard offset >= 0, offset <= count &- 8 else { return nil }
        return extracting(offset..<(offset &+ 8)).joined(0)
    }

    /// The same with zeros for what lies behind the end; nil when nothing is left, or the whole text
    /// is shorter than a word.
    @inlinable
    @inline(__always)
    package func paddedWord(at offset: Int) -> UInt64? {
        if let word = word(at: offset) { return word }
        guard offset >= 0, offset < count, let last = word(at: count &- 8) else { return nil }
        return last &>> UInt64(truncatingIfNeeded: 8 &* (offset &- (count &- 8)))
    }

    /// The 32 bytes from `offset` on, as four such words.
    @inlinable
    @inline(__always)
    package func words(at offset: Int) -> SIMD4<UInt64>? {
        guard offset >= 0, offset <= count &- 32 else { return nil }
        let window = extracting(offset..<(offset &+ 32))
        return SIMD4(window.joined(0), window.joined(8), window.joined(16), window.joined(24))
    }

    @inlinable
    @inline(__always)
    func joined(_ offset: Int) -> UInt64 {
        let low =
            UInt64(self[offset]) | UInt64(self[offset &+ 1]) << 8
            | UInt64(self[offset &+ 2]) << 16 | UInt64(self[offset &+ 3]) << 24
        let high =
            UInt64(self[offset &+ 4]) | UInt64(self[offset &+ 5]) << 8
            | UInt64(self[offset &+ 6]) << 16 | UInt64(self[offset &+ 7]) << 24
        return low | high << 32
    }
}
