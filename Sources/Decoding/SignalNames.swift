import Telemetry

/// A signal's path as a payload has it.
struct SignalPath {
    /// Where its string begins.
    var start: Int
    /// Nil when the catalogue does not know it.
    var signal: SignalID?
}

/// Paths in payloads → signals, by expecting the one that came after this one the last time.
///
/// A sender names its signals in the same order every time, so the next path is known before it is
/// read: one comparison finds both its end and its signal. In a mixed fleet a search is needed only
/// where the orders of two senders part. A wrong expectation costs time, never truth: the bytes
/// decide.
struct SignalNames: Sendable {
    /// A name as it stands in a payload, quotes included.
    private struct Name {
        var signal: SignalID
        /// Its bytes; 0 when it is never expected.
        var count: Int
        /// Its part of `blocks`.
        var firstBlock: Int
        var lastBlock: Int
        /// The name that came after it the last time.
        var successor: Int
    }

    private let catalogue: Catalogue
    /// The names' bytes, 32 at a time; the last block of a name overlaps the one before.
    private var blocks: [SIMD4<UInt64>] = []
    /// All paths and aliases, those of one signal together; behind them, none, for what came before
    /// a packet's first.
    private var names: [Name] = []
    /// By signal, the place of its first name; and the end of all names.
    private var firstNames: [Int] = []
    /// The name taken last.
    private var last = 0

    init(catalogue: Catalogue) {
        self.catalogue = catalogue
        for (index, signal) in catalogue.signals.enumerated() {
            firstNames.append(names.count)
            for name in [signal.path] + signal.aliases {
                append(name, of: SignalID(index: UInt16(index)))
            }
        }
        firstNames.append(names.count)
        append("", of: SignalID(index: 0))
        beginPacket()
    }

    private mutating func append(_ text: String, of signal: SignalID) {
        let quoted = Array("\"\(text)\"".utf8)
        let firstBlock = blocks.count
        if quoted.count >= 32 {
            for place in Array(stride(from: 0, to: quoted.count - 32, by: 32)) + [quoted.count - 32]
            {
                if let block = quoted.span.words(at: place) { blocks.append(block) }
            }
        } else {
            blocks.append(SignalNames.shortBlock(quoted.span, at: 0, quoted.count) ?? .zero)
        }
        // Bytes that JSON has no room for as they are: such a name only comes with escapes.
        let isPlain = text.utf8.allSatisfy { byte in
            byte >= 0x20 && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "\\")
        }
        names.append(
            Name(
                signal: signal,
                count: isPlain ? quoted.count : 0,
                firstBlock: firstBlock,
                lastBlock: blocks.count - 1,
                successor: names.count
            )
        )
    }

    /// Expects the path that a packet began with the last time.
    mutating func beginPacket() {
        last = names.count - 1
    }

    /// Moves the scanner behind the path that is expected, when it stands there; `takeNext` then
    /// says that it was used.
    @inline(always)
    mutating func expected(_ scanner: inout JSONScanner, _ bytes: Span<UInt8>) -> SignalID? {
        let name = names[names[last].successor]
        guard stands(name, bytes, at: scanner.position) else { return nil }
        scanner.position &+= name.count
        return name.signal
    }

    @inline(__always)
    mutating func takeNext() {
        last = names[last].successor
    }

    /// Takes the string at the scanner's position as a path.
    @inline(__always)
    mutating func take(
        _ scanner: inout JSONScanner,
        _ bytes: Span<UInt8>
    ) throws(Rejection) -> SignalPath {
        let start = scanner.position
        if let signal = expected(&scanner, bytes) {
            takeNext()
            return SignalPath(start: start, signal: signal)
        }
        let text = try scanner.text(bytes)
        return SignalPath(start: start, signal: find(text, bytes))
    }

    @inline(always)
    private func stands(_ name: Name, _ bytes: Span<UInt8>, at start: Int) -> Bool {
        var block = name.firstBlock
        guard name.count >= 32 else {
            return SignalNames.shortBlock(bytes, at: start, name.count) == blocks[block]
        }
        var place = start
        while block < name.lastBlock {
            guard bytes.words(at: place) == blocks[block] else { return false }
            place &+= 32
            block &+= 1
        }
        return bytes.words(at: start &+ name.count &- 32) == blocks[block]
    }

    /// The `count` bytes from `start` on, fewer than 32, in words that overlap.
    ///
    /// Nil for fewer than eight, which are always searched for.
    @inline(never)
    private static func shortBlock(
        _ bytes: Span<UInt8>,
        at start: Int,
        _ count: Int
    ) -> SIMD4<UInt64>? {
        guard count >= 8, let first = bytes.word(at: start),
            let second = bytes.word(at: start &+ min(8, count &- 8)),
            let third = bytes.word(at: start &+ max(0, count &- 16)),
            let fourth = bytes.word(at: start &+ (count &- 8))
        else { return nil }
        return SIMD4(first, second, third, fourth)
    }

    /// Searches for a path, which is then the one taken last.
    @inline(never)
    mutating func find(_ text: JSONScanner.Text, _ bytes: Span<UInt8>) -> SignalID? {
        guard text.end - text.start <= Limits.signalPathBytesMax else { return nil }
        guard !text.hasEscapes else {
            return catalogue.find(path: JSONScanner().unescaped(text, bytes).span)
        }
        let path = bytes.extracting(text.start..<text.end)
        guard let signal = catalogue.find(path: path) else { return nil }
        let all = firstNames[Int(signal.index)]..<firstNames[Int(signal.index) + 1]
        for index in all where names[index].count == path.count + 2 {
            if stands(names[index], bytes, at: text.start - 1) {
                names[last].successor = index
                last = index
            }
        }
        return signal
    }
}
