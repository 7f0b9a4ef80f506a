import Telemetry

/// A reading whose own time, and whose place in the payload, are still needed.
struct Draft: Sendable {
    var reading: DecodedReading
    var offset: Int
}

/// The readings of packets and lines, in each of their forms.
///
/// Each form has two ways through: a plain one for what nearly all senders write, which declines
/// whatever is unusual without a word, and one for all that JSON allows, which then begins again
/// and knows what is wrong. Methods of the plain way are `mutating` also where they change nothing:
/// they are passed the decoder by reference, and not a copy. `@inline(always)` stands where the
/// compiler, left to judge, no longer inlined into the loops.
struct ReadingDecoder: Sendable {
    /// Readings that could not be used.
    var rejections: [Rejection] = []
    var names: SignalNames
    var times = TimestampDecoder()
    var possible = PossibleTimes()
    private var units: UnitConversions
    let ranges: SignalRanges
    private let catalogue: Catalogue

    init(catalogue: Catalogue) {
        ranges = catalogue.ranges
        names = SignalNames(catalogue: catalogue)
        units = UnitConversions(catalogue: catalogue)
        self.catalogue = catalogue
    }

    /// What room for readings is filled with.
    var emptyDraft: Draft {
        let signal = SignalID(index: 0)
        let reading = DecodedReading(
            observedAt: possible.unset,
            value: 0,
            signal: signal,
            quality: .noReading
        )
        return Draft(reading: reading, offset: 0)
    }

    @inline(__always)
    mutating func path(
        _ scanner: inout JSONScanner,
        _ bytes: Span<UInt8>
    ) throws(Rejection) -> SignalPath {
        guard try scanner.peek(bytes) == UInt8(ascii: "\"") else {
            throw try scanner.wrongType(bytes, "signal")
        }
        return try names.take(&scanner, bytes)
    }

    /// Takes a time as nearly all are written.
    @inline(__always)
    mutating func usualTime(_ scanner: inout JSONScanner, _ bytes: Span<UInt8>) -> Timestamp? {
        times.takeUsual(&scanner, bytes)
    }

    @inline(__always)
    mutating func time(
        _ scanner: inout JSONScanner,
        _ bytes: Span<UInt8>
    ) throws(Rejection) -> Timestamp {
        scanner.skipSpace(bytes)
        if let time = times.takeUsual(&scanner, bytes) { return time }
        let text = try scanner.requireText(bytes, "ts")
        guard !text.hasEscapes,
            let time = times.decode(bytes, from: text.start, to: text.end)
        else { throw Rejection(.badTimestamp, at: text.start) }
        return time
    }

    /// The reading, or nil when it cannot be used; then `rejection` says why.
    @inline(__always)
    mutating func reading(
        _ path: SignalPath,
        _ value: Double?,
        unit: JSONScanner.Text?,
        time: Timestamp,
        _ bytes: Span<UInt8>
    ) -> DecodedReading? {
        guard let signal = path.signal, var value else { return nil }
        if let unit {
            guard let conversion = conversion(of: unit, to: signal, bytes) else { return nil }
            value = value * conversion.factor + conversion.offset
        }
        guard let quality = ranges.quality(of: value, signal: signal) else { return nil }
        return DecodedReading(observedAt: time, value: value, signal: signal, quality: quality)
    }

    /// Why there is no `reading`.
    @inline(never)
    mutating func rejection(
        of path: SignalPath,
        _ value: Double?,
        unit: JSONScanner.Text?,
        at: Int,
        _ bytes: Span<UInt8>
    ) -> Rejection {
        guard let signal = path.signal else {
            return Rejection(.unknownSignal, at: at, pathName(path, bytes))
        }
        guard value != nil else { return Rejection(.wrongType, at: at, catalogue[signal].path) }
        if let unit, conversion(of: unit, to: signal, bytes) == nil {
            return Rejection(.unknownUnit, at: unit.start, unitName(unit, bytes))
        }
        return Rejection(.outOfRange, at: at, catalogue[signal].path)
    }

    mutating func conversion(
        of unit: JSONScanner.Text,
        to signal: SignalID,
        _ bytes: Span<UInt8>
    ) -> UnitConversion? {
        guard unit.end - unit.start <= 16, !unit.hasEscapes else {
            return Units.conversion(from: unitName(unit, bytes), to: catalogue[signal].unit)
        }
        return units.find(unit: bytes.extracting(unit.start..<unit.end), signal: signal)
    }

    /// The path as text; one that is too long to be known is not told in full.
    private func pathName(_ path: SignalPath, _ bytes: Span<UInt8>) -> String {
        var scanner = JSONScanner(position: path.start)
        guard let text = try? scanner.text(bytes),
            text.end - text.start <= Limits.signalPathBytesMax
        else { return "" }
        return scanner.string(text, bytes)
    }

    /// No unit has a longer name, and a longer one is not told in full.
    private func unitName(_ unit: JSONScanner.Text, _ bytes: Span<UInt8>) -> String {
        unit.end - unit.start <= 16 ? JSONScanner().string(unit, bytes) : ""
    }
}
