/// How long to wait before trying a broker again: doubling, bounded, with jitter, so that a
/// thousand gateways do not come back in the same moment.
///
/// Pure: randomness is passed in.
package struct Backoff: Sendable, Equatable {
    /// Milliseconds before the first retry and at most.
    private static let first = 100
    private static let longest = 10_000

    private var next = Backoff.first

    package init() {}

    /// Milliseconds to wait now: between half and all of the current step.
    package mutating func delayMilliseconds(
        using generator: inout some RandomNumberGenerator
    ) -> Int {
        let step = next
        next = min(next * 2, Backoff.longest)
        return Int.random(in: step / 2...step, using: &generator)
    }

    package mutating func reset() {
        next = Backoff.first
    }
}
