/// The wall clock, or for demonstrations a clock that plays history until it meets the present.
///
/// From `anchor` (wall time) on it starts at `start` and runs `speed` times as fast; when it has
/// caught up it is the wall clock. Gateway and simulators that share the three numbers agree.
package struct CatchUpClock: Sendable, Equatable {
    package var start: Timestamp
    package var anchor: Timestamp
    package var speed: Double

    package init(start: Timestamp, anchor: Timestamp, speed: Double) {
        self.start = start
        self.anchor = anchor
        self.speed = speed
    }

    /// `START,ANCHOR,SPEED`: two times in milliseconds since 1970 and a factor of at least 1.
    package init?(_ text: String) {
        let parts = text.split(separator: ",")
        guard parts.count == 3, let start = Int64(parts[0]), let anchor = Int64(parts[1]),
            let speed = Double(parts[2]), speed >= 1, speed <= 1e7, start <= anchor
        else { return nil }
        self.init(
            start: Timestamp(milliseconds: start),
            anchor: Timestamp(milliseconds: anchor),
            speed: speed
        )
    }

    package func time(atWall wall: Timestamp) -> Timestamp {
        min(wall, start + Milliseconds(Int64(Double((wall - anchor).rawValue) * speed)))
    }

    /// When it meets the wall clock; never, for a clock that is no faster.
    package var present: Timestamp {
        guard speed > 1 else { return start == anchor ? anchor : .distantFuture }
        // From the anchor on, so much wall time passes until the played time is the same.
        return anchor + Milliseconds(Int64(Double((anchor - start).rawValue) / (speed - 1)))
    }

    package func hasCaughtUp(atWall wall: Timestamp) -> Bool { time(atWall: wall) == wall }
}
