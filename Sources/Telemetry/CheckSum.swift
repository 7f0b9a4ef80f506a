/// Eight bytes at the end of a stored body that tell whether it is still what was written.
///
/// Every step can be undone, so a change within one word, or one word too many or too few, always
/// shows; other damage goes unseen once in 2^64. No protection from people: they can write the sum
/// anew.
package enum CheckSum {
    package static let bytes = 8

    /// Puts the sum of everything so far at the end.
    package static func append(to body: inout [UInt8]) {
        let sum = of(body.span)
        for shift in stride(from: UInt64(0), to: 64, by: 8) {
            body.append(UInt8(truncatingIfNeeded: sum >> shift))
        }
    }

    /// - Throws: when the last eight bytes are not the sum of those before them.
    package static func verify(_ body: [UInt8]) throws(CheckpointError) {
        let length = body.count - bytes
        guard length >= 0, let sum = body.span.word(at: length),
            of(body.span.extracting(0..<length)) == sum
        else { throw CheckpointError(byteOffset: max(0, length)) }
    }

    /// The multiplier is 2^64 ÷ golden ratio, odd and without a pattern.
    package static func of(_ bytes: Span<UInt8>) -> UInt64 {
        var sum = UInt64(bytes.count)
        var place = 0
        while let word = bytes.word(at: place) {
            sum = mixed(sum, word)
            place &+= 8
        }
        var rest: UInt64 = 0
        while place < bytes.count {
            rest = rest << 8 | UInt64(bytes[place])
            place &+= 1
        }
        return mixed(sum, rest)
    }

    private static func mixed(_ sum: UInt64, _ word: UInt64) -> UInt64 {
        let product = (sum ^ word) &* 0x9e37_79b9_7f4a_7c15
        return product ^ (product >> 29)
    }
}
