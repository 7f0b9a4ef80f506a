import Telemetry

/// The bytes of a text that is nearly always the same as the time before: a boot, a vehicle.
///
/// They are handed out as an array, so keeping them saves an array per packet.
struct KeptText: Sendable {
    private(set) var bytes: [UInt8] = []
    /// Whether they stood in the payload as they are, without escapes.
    private var isPlain = false

    /// Takes the string at the scanner's position when it is the text kept.
    @inline(__always)
    func take(_ scanner: inout JSONScanner, _ source: Span<UInt8>) -> Bool {
        scanner.skipSpace(source)
        let start = scanner.position &+ 1
        let end = start &+ bytes.count
        guard isPlain, source.byte(at: scanner.position) == UInt8(ascii: "\""),
            source.byte(at: end) == UInt8(ascii: "\""), stands(source, at: start)
        else { return false }
        scanner.position = end &+ 1
        return true
    }

    /// Whether the text is the one kept.
    @inline(__always)
    func holds(_ text: JSONScanner.Text, _ source: Span<UInt8>) -> Bool {
        isPlain && !text.hasEscapes && text.end &- text.start == bytes.count
            && stands(source, at: text.start)
    }

    @inline(__always)
    private func stands(_ source: Span<UInt8>, at start: Int) -> Bool {
        var place = 0
        while let word = bytes.span.word(at: place) {
            guard source.word(at: start &+ place) == word else { return false }
            place &+= 8
        }
        while place < bytes.count {
            guard source.byte(at: start &+ place) == bytes[place] else { return false }
            place &+= 1
        }
        return true
    }

    /// Keeps another text, unescaped.
    @inline(never)
    mutating func set(_ text: JSONScanner.Text, _ source: Span<UInt8>) {
        isPlain = !text.hasEscapes
        guard isPlain else {
            bytes = JSONScanner().unescaped(text, source)
            return
        }
        bytes.removeAll(keepingCapacity: true)
        for index in text.start..<text.end { bytes.append(source[index]) }
    }
}
