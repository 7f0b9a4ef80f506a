import Telemetry

/// What falls due.
///
/// The order of the cases decides between timers of one instant.
enum TimerKind: Int, Sendable {
    /// A vehicle's readings have waited long enough.
    case flush
    /// A forecast comes true while the vehicle is silent; the detail is the engine's slot.
    case forecast
    /// A hold runs out.
    case holdEnd
    /// A muted, recovered or serviced alert leaves its state.
    case alertDue
    /// A booked visit is a week past.
    case visitPast
    /// Nobody acted on a suggestion.
    case lapse
    /// A vehicle may have been silent for too long.
    case silence
}

/// Due times, earliest first; equal ones by kind and record, never by order of insertion, so that
/// batches and the order of vehicles cannot matter.
///
/// Entries are not withdrawn: whoever takes one asks the record whether it still holds.
struct TimerQueue: Sendable {
    struct Entry: Sendable, Comparable {
        var due: Timestamp
        var kind: TimerKind
        var record: Int64
        var detail: Int

        static func < (left: Entry, right: Entry) -> Bool {
            (left.due, left.kind.rawValue, left.record, left.detail)
                < (right.due, right.kind.rawValue, right.record, right.detail)
        }
    }

    private var heap: [Entry] = []

    var nextDue: Timestamp? { heap.first?.due }

    mutating func insert(_ entry: Entry) {
        heap.append(entry)
        var child = heap.count - 1
        while child > 0, heap[child] < heap[(child - 1) / 2] {
            heap.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    /// The earliest entry due at `now` or before.
    mutating func next(dueBy now: Timestamp) -> Entry? {
        guard let first = heap.first, first.due <= now else { return nil }
        let last = heap.removeLast()
        if !heap.isEmpty {
            heap[0] = last
            var parent = 0
            while true {
                var smallest = parent
                for child in [2 * parent + 1, 2 * parent + 2]
                where child < heap.count && heap[child] < heap[smallest] {
                    smallest = child
                }
                if smallest == parent { break }
                heap.swapAt(parent, smallest)
                parent = smallest
            }
        }
        return first
    }
}
