/// What the values of a catalogue's signals may be.
package struct SignalRanges: Sendable {
    /// By signal, values that are good without a closer look, as nearly all are.
    package let plain: [ClosedRange<Double>]
    private let signals: [SignalDefinition]

    init(_ signals: [SignalDefinition]) {
        self.signals = signals
        plain = signals.map(SignalRanges.plainRange)
    }

    /// Such values are written with two decimals, and change in the last one when converted.
    private static let noReadingTolerance = 0.005

    /// What a value in the signal's own unit is worth, or nil when it lies outside the range.
    package func quality(of value: Double, signal: SignalID) -> Quality? {
        if plain[Int(signal.index)].contains(value) { return .good }
        let signal = signals[Int(signal.index)]
        for absent in signal.noReading where abs(value - absent) < SignalRanges.noReadingTolerance {
            return .noReading
        }
        return value >= signal.minimum && value <= signal.maximum ? .good : nil
    }

    /// The widest part of the signal's range without a value that means "no reading".
    private static func plainRange(_ signal: SignalDefinition) -> ClosedRange<Double> {
        // Twice the tolerance, so that rounding cannot reach it.
        let margin = 2 * noReadingTolerance
        let absent = signal.noReading.sorted()
        let starts = [signal.minimum] + absent.map { max($0 + margin, signal.minimum) }
        let ends = absent.map { min($0 - margin, signal.maximum) } + [signal.maximum]
        let parts = zip(starts, ends).filter { $0 <= $1 }.map { $0...$1 }
        let widest = parts.max { $0.upperBound - $0.lowerBound < $1.upperBound - $1.lowerBound }
        // Where there is none, a range that holds no value of a payload.
        return widest ?? .infinity ... .infinity
    }
}
