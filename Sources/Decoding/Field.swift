import Telemetry

/// The fields of packets, of their list items and of lines.
///
/// No name has more than eight bytes, so a name is compared as one word.
enum Field: Int {
    case version
    case boot
    case sequence
    case time
    case readings
    case vehicle
    case signal
    case value
    case unit
    case arrival
    case oldest
    /// Any other: skipped.
    case unknown

    /// The field of a name in a word, the first character lowest.
    @inline(__always)
    fileprivate init(_ word: UInt64) {
        self =
            switch word {
            case Field.word("v"): .version
            case Field.word("ts"): .time
            case Field.word("value"): .value
            case Field.word("signal"): .signal
            case Field.word("vehicle"): .vehicle
            case Field.word("readings"): .readings
            case Field.word("seq"): .sequence
            case Field.word("boot"): .boot
            case Field.word("rx"): .arrival
            case Field.word("unit"): .unit
            case Field.word("oldest"): .oldest
            default: .unknown
            }
    }

    fileprivate init(name: Span<UInt8>) {
        self = .unknown
        guard name.count <= 8 else { return }
        var word: UInt64 = 0
        for index in name.indices {
            // A name of ours has no zeros, which would look like the end of a shorter one.
            guard name[index] != 0 else { return }
            word |= UInt64(name[index]) << (8 * index)
        }
        self.init(word)
    }

    /// A name as such a word; the compiler works it out.
    @inline(__always)
    fileprivate static func word(_ name: String) -> UInt64 {
        var word: UInt64 = 0
        var shift: UInt64 = 0
        for byte in name.utf8 {
            word |= UInt64(byte) &<< shift
            shift &+= 8
        }
        return word
    }
}

extension JSONScanner {
    /// Takes a name and the colon behind it.
    @inline(__always)
    mutating func field(_ bytes: Span<UInt8>) throws(Rejection) -> Field {
        skipSpace(bytes)
        if let field = usualField(bytes) { return field }
        let (field, after) = try anyField(bytes)
        self = after
        return field
    }

    /// Takes one of our names as nearly all senders write it: no escapes, no white space.
    ///
    /// Nil, and nothing taken, for every other.
    @inline(__always)
    mutating func usualField(_ bytes: Span<UInt8>) -> Field? {
        guard let word = bytes.word(at: position) else { return nil }
        let four = word & 0xffff_ffff
        let five = word & 0xff_ffff_ffff
        let seven = word & 0xff_ffff_ffff_ffff
        if five == Field.word("\"ts\":") { return took(.time, 5) }
        if word == Field.word("\"value\":") { return took(.value, 8) }
        if word == Field.word("\"signal\"") { return took(.signal, 8, then: ":", bytes) }
        if word == Field.word("\"vehicle") { return took(.vehicle, 8, then: "\":", bytes) }
        if five == Field.word("\"rx\":") { return took(.arrival, 5) }
        if four == Field.word("\"v\":") { return took(.version, 4) }
        if word & 0xffff_ffff_ffff == Field.word("\"seq\":") { return took(.sequence, 6) }
        if seven == Field.word("\"boot\":") { return took(.boot, 7) }
        if word == Field.word("\"reading") { return took(.readings, 8, then: "s\":", bytes) }
        if seven == Field.word("\"unit\":") { return took(.unit, 7) }
        return nil
    }

    @inline(__always)
    private mutating func took(_ field: Field, _ count: Int) -> Field? {
        position &+= count
        return field
    }

    /// The same for names longer than a word: nil, and nothing taken, when the rest is another.
    @inline(__always)
    private mutating func took(
        _ field: Field,
        _ count: Int,
        then rest: String,
        _ bytes: Span<UInt8>
    ) -> Field? {
        var end = position &+ count
        for byte in rest.utf8 {
            guard bytes.byte(at: end) == byte else { return nil }
            end &+= 1
        }
        position = end
        return field
    }

    @inline(never)
    private func anyField(
        _ bytes: Span<UInt8>
    ) throws(Rejection) -> (field: Field, after: JSONScanner) {
        var scanner = self
        let name = try scanner.name(bytes)
        guard !name.hasEscapes else {
            let plain = unescaped(name, bytes)
            return (Field(name: plain.span), scanner)
        }
        return (Field(name: bytes.extracting(name.start..<name.end)), scanner)
    }
}
