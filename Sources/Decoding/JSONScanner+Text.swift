import Telemetry

/// Strings: escapes and UTF-8 are checked when a string is taken, and decoded only on demand.
extension JSONScanner {
    /// Takes a string: plain ASCII eight bytes at a time, anything else byte by byte.
    @inline(__always)
    mutating func text(_ bytes: Span<UInt8>) throws(Rejection) -> Text {
        if let text = plainText(bytes) { return text }
        let (text, after) = try anyText(bytes)
        self = after
        return text
    }

    /// Takes a string of ASCII without escapes.
    ///
    /// Nil, and nothing taken, for every other text: this path never has to say what is wrong.
    @inline(__always)
    mutating func plainText(_ bytes: Span<UInt8>) -> Text? {
        guard bytes.byte(at: position) == UInt8(ascii: "\"") else { return nil }
        let start = position &+ 1
        var end = start
        while let word = bytes.paddedWord(at: end) {
            let found = JSONScanner.firstSpecial(in: word)
            end &+= found
            guard found < 8 else { continue }
            guard
                UInt8(truncatingIfNeeded: word &>> UInt64(truncatingIfNeeded: 8 &* found))
                    == UInt8(ascii: "\"")
            else { return nil }
            position = end &+ 1
            return Text(start: start, end: end, hasEscapes: false)
        }
        return nil
    }

    /// The place of the first quote, backslash, control character or byte beyond ASCII; 8 when
    /// there is none.
    ///
    /// A byte less than `n` borrows into its highest bit when `n` is taken from it. A borrow can
    /// mark bytes above the first one found, never below it.
    @inline(__always)
    static func firstSpecial(in word: UInt64) -> Int {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let quote = word ^ (ones &* UInt64(UInt8(ascii: "\"")))
        let backslash = word ^ (ones &* UInt64(UInt8(ascii: "\\")))
        let marks =
            ((quote &- ones) & ~quote) | ((backslash &- ones) & ~backslash)
            | ((word &- ones &* 0x20) & ~word) | word
        return (marks & (ones &* 0x80)).trailingZeroBitCount &>> 3
    }

    @inline(never)
    private func anyText(
        _ bytes: Span<UInt8>
    ) throws(Rejection) -> (text: Text, after: JSONScanner) {
        var scanner = self
        return (try scanner.takeAnyText(bytes), scanner)
    }

    private mutating func takeAnyText(_ bytes: Span<UInt8>) throws(Rejection) -> Text {
        guard position < bytes.count, bytes[position] == UInt8(ascii: "\"") else {
            throw failure()
        }
        position += 1
        let start = position
        var hasEscapes = false
        while position < bytes.count {
            let byte = bytes[position]
            if byte == UInt8(ascii: "\"") {
                position += 1
                return Text(start: start, end: position - 1, hasEscapes: hasEscapes)
            }
            guard byte >= 0x20 else { throw failure() }
            if byte == UInt8(ascii: "\\") {
                hasEscapes = true
                _ = try escape(bytes)
            } else if byte < 0x80 {
                position += 1
            } else {
                try multibyte(bytes)
            }
        }
        throw failure()
    }

    /// The bytes a string stands for.
    func unescaped(_ text: Text, _ bytes: Span<UInt8>) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(text.end - text.start)
        var inner = JSONScanner(position: text.start)
        while inner.position < text.end {
            if bytes[inner.position] == UInt8(ascii: "\\"),
                let scalar = try? inner.escape(bytes)
            {
                result.append(contentsOf: UTF8.encode(scalar).map(Array.init) ?? [])
            } else {
                result.append(bytes[inner.position])
                inner.position += 1
            }
        }
        return result
    }

    /// How many bytes those are.
    @inline(__always)
    func unescapedCount(_ text: Text, _ bytes: Span<UInt8>) -> Int {
        text.hasEscapes ? unescaped(text, bytes).count : text.end &- text.start
    }

    func string(_ text: Text, _ bytes: Span<UInt8>) -> String {
        String(decoding: unescaped(text, bytes), as: UTF8.self)
    }

    /// One escape sequence; a pair of surrogates counts as one, a lone surrogate is not JSON text
    /// we can store.
    private mutating func escape(_ bytes: Span<UInt8>) throws(Rejection) -> Unicode.Scalar {
        position += 1
        guard position < bytes.count else { throw failure() }
        let kind = bytes[position]
        let plain: Unicode.Scalar? =
            switch kind {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): Unicode.Scalar(kind)
            case UInt8(ascii: "b"): "\u{8}"
            case UInt8(ascii: "f"): "\u{c}"
            case UInt8(ascii: "n"): "\n"
            case UInt8(ascii: "r"): "\r"
            case UInt8(ascii: "t"): "\t"
            default: nil
            }
        if let plain {
            position += 1
            return plain
        }
        guard kind == UInt8(ascii: "u") else { throw failure() }
        position += 1
        let first = try hexadecimal(bytes)
        if let scalar = Unicode.Scalar(first) { return scalar }
        guard first < 0xdc00, position + 1 < bytes.count, bytes[position] == UInt8(ascii: "\\"),
            bytes[position + 1] == UInt8(ascii: "u")
        else { throw failure() }
        position += 2
        let second = try hexadecimal(bytes)
        guard (0xdc00..<0xe000).contains(second),
            let scalar = Unicode.Scalar(0x10000 + (first - 0xd800) << 10 + (second - 0xdc00))
        else { throw failure() }
        return scalar
    }

    private mutating func hexadecimal(_ bytes: Span<UInt8>) throws(Rejection) -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<4 {
            guard position < bytes.count else { throw failure() }
            let byte = bytes[position]
            let digit: UInt8
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = byte - UInt8(ascii: "0")
            case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = byte - UInt8(ascii: "a") + 10
            case UInt8(ascii: "A")...UInt8(ascii: "F"): digit = byte - UInt8(ascii: "A") + 10
            default: throw failure()
            }
            value = value << 4 | UInt32(digit)
            position += 1
        }
        return value
    }

    /// One UTF-8 sequence of two to four bytes, by the table of the Unicode Standard, §3.9 (D92).
    private mutating func multibyte(_ bytes: Span<UInt8>) throws(Rejection) {
        let lead = bytes[position]
        let length: Int
        var second: ClosedRange<UInt8> = 0x80...0xbf
        switch lead {
        case 0xc2...0xdf: length = 2
        case 0xe0:
            length = 3
            second = 0xa0...0xbf
        case 0xed:
            length = 3
            second = 0x80...0x9f
        case 0xe1...0xef: length = 3
        case 0xf0:
            length = 4
            second = 0x90...0xbf
        case 0xf1...0xf3: length = 4
        case 0xf4:
            length = 4
            second = 0x80...0x8f
        default: throw failure()
        }
        guard position + length <= bytes.count, second.contains(bytes[position + 1]) else {
            throw failure()
        }
        for index in 2..<max(length, 2) where bytes[position + index] & 0xc0 != 0x80 {
            throw failure()
        }
        position += length
    }
}
