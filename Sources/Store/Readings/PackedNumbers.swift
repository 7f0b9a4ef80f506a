import Telemetry

/// Numbers written to room that is there: an array looks once for several of them whether it has
/// room, and not at every byte.
extension OutputSpan<UInt8> {
    /// The most bytes a number takes.
    static var numberBytesMax: Int { 10 }

    /// Seven bits a byte, lowest first; the top bit says that more follow (LEB128).
    mutating func append(varint value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        append(UInt8(truncatingIfNeeded: rest))
    }

    /// Eight bytes, lowest first.
    mutating func append(word: UInt64) {
        for shift in stride(from: UInt64(0), to: 64, by: 8) {
            append(UInt8(truncatingIfNeeded: word >> shift))
        }
    }

    /// Small numbers of either sign in few bytes: 0, -1, 1, -2 … become 0, 1, 2, 3 ….
    mutating func append(signed value: Int64) {
        append(varint: UInt64(bitPattern: (value << 1) ^ (value >> 63)))
    }
}

extension [UInt8] {
    /// Makes room for some numbers, and writes them.
    mutating func append(numbers: Int, _ write: (inout OutputSpan<UInt8>) -> Void) {
        append(
            addingCapacity: numbers * OutputSpan<UInt8>.numberBytesMax,
            initializingWith: write
        )
    }

    /// The same, and bytes behind them.
    mutating func append(
        numbers: Int,
        then rest: Span<UInt8>,
        _ write: (inout OutputSpan<UInt8>) -> Void
    ) {
        let capacity = numbers * OutputSpan<UInt8>.numberBytesMax + rest.count
        append(addingCapacity: capacity) { bytes in
            write(&bytes)
            for index in rest.indices { bytes.append(rest[index]) }
        }
    }

    mutating func append(varint value: UInt64) {
        append(numbers: 1) { $0.append(varint: value) }
    }

    mutating func append(word: UInt64) {
        append(numbers: 1) { $0.append(word: word) }
    }

    mutating func append(signed value: Int64) {
        append(numbers: 1) { $0.append(signed: value) }
    }
}

/// A place in a body, read forward; a body that ends too soon or says nonsense throws.
struct ByteCursor {
    let bytes: [UInt8]
    var position = 0

    init(_ bytes: [UInt8], at position: Int = 0) {
        self.bytes = bytes
        self.position = position
    }

    var isAtEnd: Bool { position >= bytes.count }

    mutating func byte() throws(CheckpointError) -> UInt8 {
        guard position < bytes.count else { throw failure() }
        defer { position += 1 }
        return bytes[position]
    }

    mutating func varint() throws(CheckpointError) -> UInt64 {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while true {
            let next = try byte()
            value |= UInt64(next & 0x7f) << shift
            if next < 0x80 { return value }
            shift += 7
            guard shift < 70 else { throw failure() }
        }
    }

    mutating func word() throws(CheckpointError) -> UInt64 {
        var word: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 64, by: 8) {
            word |= UInt64(try byte()) << shift
        }
        return word
    }

    mutating func signed() throws(CheckpointError) -> Int64 {
        let value = try varint()
        return Int64(bitPattern: value >> 1) ^ -Int64(bitPattern: value & 1)
    }

    /// A number of things that follow, each of at least `bitsEach` bits.
    mutating func count(bitsEach: Int = 8) throws(CheckpointError) -> Int {
        let value = try varint()
        let most = bitsEach == 0 ? PackedNumbers.countMax : (bytes.count - position) * 8 / bitsEach
        guard value <= UInt64(most) else { throw failure() }
        return Int(value)
    }

    mutating func skip(_ count: Int) throws(CheckpointError) {
        guard count <= bytes.count - position else { throw failure() }
        position += count
    }

    func failure() -> CheckpointError { CheckpointError(byteOffset: position) }
}

/// A column of whole numbers in blocks, each with its own base and bit width, either as they are or
/// as differences, and in small blocks or large ones, whichever is shortest.
///
/// Small blocks keep one outlier, such as a night between two trips, from widening the whole column;
/// a column without any has fewer bases in large ones.
enum PackedNumbers {
    /// More numbers than any chunk holds: a damaged body cannot ask for memory.
    static let countMax = 1 << 20

    /// How a column is written: its first byte.
    private struct Form {
        let rawValue: UInt8
        static let count = 4
        private static let largest = 128

        var isDifferences: Bool { rawValue & 1 != 0 }
        var block: Int { rawValue & 2 == 0 ? 32 : Form.largest }
        /// The first difference is the value itself; it stands alone so as not to widen a block.
        var first: Int { isDifferences ? 1 : 0 }

        /// What stands at a place of the column.
        @inline(__always)
        func number(_ place: Int, of values: Span<Int64>) -> Int64 {
            isDifferences ? values[place] &- values[place &- 1] : values[place]
        }

        @inline(__always)
        func range(of places: Range<Int>, in values: Span<Int64>) -> (low: Int64, high: Int64) {
            var (low, high) = (Int64.max, Int64.min)
            for place in places {
                let number = number(place, of: values)
                low = min(low, number)
                high = max(high, number)
            }
            return (low, high)
        }

        /// About how many bits the column takes in this form, and in the same with large blocks.
        func sizes(_ values: Span<Int64>) -> (small: Int, large: Int) {
            var sizes = (small: 0, large: 0)
            for start in stride(from: first, to: values.count, by: Form.largest) {
                let end = min(start + Form.largest, values.count)
                var (low, high) = (Int64.max, Int64.min)
                for start in stride(from: start, to: end, by: block) {
                    let places = start..<min(start + block, end)
                    let range = range(of: places, in: values)
                    sizes.small += places.count * Form.width(range.low, range.high) + 24
                    (low, high) = (min(low, range.low), max(high, range.high))
                }
                sizes.large += (end - start) * Form.width(low, high) + 24
            }
            return sizes
        }

        /// The bits that tell numbers of a range apart.
        static func width(_ low: Int64, _ high: Int64) -> Int {
            64 - UInt64(bitPattern: high &- low).leadingZeroBitCount
        }

        /// The shortest for a column.
        static func best(for values: Span<Int64>) -> Form {
            let plain = Form(rawValue: 0).sizes(values)
            let differences = Form(rawValue: 1).sizes(values)
            let sizes = [plain.small, differences.small, plain.large, differences.large]
            var best = 0
            for place in sizes.indices where sizes[place] < sizes[best] { best = place }
            return Form(rawValue: UInt8(best))
        }
    }

    static func encode(_ values: [Int64], into bytes: inout [UInt8]) {
        let values = values.span
        let form = Form.best(for: values)
        bytes.append(form.rawValue)
        if form.isDifferences, !values.isEmpty { bytes.append(signed: values[0]) }
        for start in stride(from: form.first, to: values.count, by: form.block) {
            pack(start..<min(start + form.block, values.count), of: values, form, into: &bytes)
        }
    }

    static func decode(
        _ count: Int,
        _ cursor: inout ByteCursor
    ) throws(CheckpointError) -> [Int64] {
        guard count <= countMax else { throw cursor.failure() }
        var values: [Int64] = []
        values.reserveCapacity(count)
        let form = Form(rawValue: try cursor.byte())
        guard form.rawValue < Form.count else { throw cursor.failure() }
        if form.isDifferences { values.append(try cursor.signed()) }
        while values.count < count {
            let number = min(form.block, count - values.count)
            let base = try cursor.signed()
            let width = Int(try cursor.byte())
            guard width <= 64 else { throw cursor.failure() }
            let start = cursor.position
            try cursor.skip((number * width + 7) / 8)
            let last = form.isDifferences ? values[values.count - 1] : nil
            values.append(addingCapacity: number) { values in
                unpack(cursor.bytes.span, from: start, number, width, base, last, into: &values)
            }
        }
        return values
    }

    private static func pack(
        _ places: Range<Int>,
        of values: Span<Int64>,
        _ form: Form,
        into bytes: inout [UInt8]
    ) {
        let (base, high) = form.range(of: places, in: values)
        let width = Form.width(base, high)
        bytes.append(numbers: 3 + (places.count * width) / 64) { bytes in
            bytes.append(signed: base)
            bytes.append(UInt8(width))
            guard width > 0 else { return }
            var (pending, filled) = (UInt64(0), 0)
            for place in places {
                let residual = UInt64(bitPattern: form.number(place, of: values) &- base)
                pending |= residual << UInt64(filled)
                filled += width
                guard filled >= 64 else { continue }
                bytes.append(word: pending)
                filled -= 64
                pending = filled == 0 ? 0 : residual >> UInt64(width - filled)
            }
            for shift in stride(from: 0, to: filled, by: 8) {
                bytes.append(UInt8(truncatingIfNeeded: pending >> UInt64(shift)))
            }
        }
    }

    /// Reads numbers of one width, lowest bit first; differences are added to `last`.
    private static func unpack(
        _ bytes: Span<UInt8>,
        from start: Int,
        _ number: Int,
        _ width: Int,
        _ base: Int64,
        _ last: Int64?,
        into values: inout OutputSpan<Int64>
    ) {
        let mask: UInt64 = width == 64 ? .max : 1 << UInt64(width) - 1
        var sum = last ?? 0
        for index in 0..<number {
            let place = start + index * width / 8
            let shift = UInt64(index * width % 8)
            var residual = word(bytes, at: place) >> shift
            // A wide number that begins within a byte ends in a ninth one.
            if Int(shift) + width > 64 {
                residual |= word(bytes, at: place + 8) << (64 - shift)
            }
            let value = base &+ Int64(bitPattern: residual & mask)
            sum = last == nil ? value : sum &+ value
            values.append(sum)
        }
    }

    /// Eight bytes from a place on; zeros stand for those behind the end.
    @inline(__always)
    private static func word(_ bytes: Span<UInt8>, at place: Int) -> UInt64 {
        if let word = bytes.paddedWord(at: place) { return word }
        return shortWord(bytes, at: place)
    }

    @inline(never)
    private static func shortWord(_ bytes: Span<UInt8>, at place: Int) -> UInt64 {
        var word: UInt64 = 0
        for index in place..<max(place, min(place + 8, bytes.count)) {
            word |= UInt64(bytes[index]) << UInt64(8 * (index - place))
        }
        return word
    }
}

/// Values as their senders wrote them: a whole number and a power of ten, where that is exact.
enum ScaledDecimal {
    static let scaleMax = 6
    private static let powers: InlineArray<7, Double> = [1, 10, 100, 1e3, 1e4, 1e5, 1e6]
    /// Added and taken away again, it leaves of a number below 2^51 the nearest whole one.
    ///
    /// Two additions, where `rounded()` is a call; which way a half goes does not matter, for it
    /// is refused in any case.
    private static let rounding = 0x1.8p52

    /// The number at this scale, or nil when it does not come back as the same value.
    static func mantissa(_ value: Double, scale: Int) -> Int64? {
        let scaled = value * powers[scale]
        guard scaled.magnitude < 0x1p51 else { return nil }
        let whole = (scaled + rounding) - rounding
        // The product is off by half a unit of its last place at most: this far from a whole
        // number there is no need for the division.
        guard (scaled - whole).magnitude <= scaled.magnitude * 0x1p-50,
            whole / powers[scale] == value
        else { return nil }
        return Int64(whole)
    }

    static func value(_ mantissa: Int64, scale: Int) -> Double {
        Double(mantissa) / powers[scale]
    }
}
