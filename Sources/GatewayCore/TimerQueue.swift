import Telemetry

/// What falls due.
///
/// The order of the cases decides between timers of one instant.
enum TimerKind: UInt8, CaseIterable, Sendable {
    /// A vehicle's readings have waited long enough.
    case flush
    /// A forecast of a vehicle's may come true while it is silent.
    case forecast
    /// A hold runs out.
    case holdEnd
    /// A muted, recovered or serviced alert leaves its state.
    case alertDue
    /// The time left until a crossing makes an alert more severe.
    case severityRise
    /// A lease is over.
    case leaseEnd
    /// What a suggestion waited for is due.
    case waitEnd
    /// The first attempt on a suggestion is overdue.
    case contactDue
    /// A declined suggestion can no longer be taken back.
    case undoEnd
    /// Something about a visit is due: the visit's own state says what.
    case visit
    /// Nobody acted on a suggestion.
    case lapse
    /// A vehicle may have been silent for too long.
    case silence
    /// Midnight (UTC): what is foreseen is told.
    case forecastsTold
    /// A service comes near by its date, or a customer has had rest from one.
    case dueWork
    /// A slot kept at the desk is free again.
    case deskHoldEnd
    /// An alert that its workshop needs less lead for is looked at again.
    case watch

    /// What people call the work.
    var name: String {
        switch self {
        case .flush: "readings"
        case .forecast: "forecasts"
        case .holdEnd: "holds"
        case .alertDue: "alerts"
        case .severityRise: "severity"
        case .leaseEnd: "leases"
        case .waitEnd: "waits"
        case .contactDue: "contact_due"
        case .undoEnd: "undo"
        case .visit: "visits"
        case .lapse: "lapses"
        case .silence: "silence"
        case .forecastsTold: "forecast_log"
        case .dueWork: "due_work"
        case .deskHoldEnd: "desk_holds"
        case .watch: "leads"
        }
    }
}

/// Due times, earliest first; equal ones by kind and record, never by order of insertion, so that
/// batches and the order of vehicles cannot matter.
///
/// Entries are not withdrawn: whoever takes one asks the record whether it still holds. Flushes,
/// of which each packet brings one, all wait equally long and so come in order: they stand in a
/// queue, not in the heap.
struct TimerQueue: Sendable {
    struct Entry: Sendable, Comparable {
        var due: Timestamp
        var kind: TimerKind
        var record: Int64

        static func < (left: Entry, right: Entry) -> Bool {
            if left.due != right.due { return left.due < right.due }
            if left.kind != right.kind { return left.kind.rawValue < right.kind.rawValue }
            return left.record < right.record
        }
    }

    /// How many of the queue's taken places are kept before they are given back.
    private static let takenMax = 4_096

    private var heap: [Entry] = []
    private var flushes: [Entry] = []
    private var firstFlush = 0
    /// Behind the last of the flushes at the front that are due together and stand in order.
    private var sortedEnd = 0

    var nextDue: Timestamp? {
        switch (nextFlush?.due, heap.first?.due) {
        case (let flush?, let other?): min(flush, other)
        case (let flush, let other): flush ?? other
        }
    }

    /// The vehicles to be flushed next.
    func nextFlushes(atMost limit: Int) -> ArraySlice<Entry> {
        flushes[firstFlush..<min(firstFlush + limit, flushes.count)]
    }

    private var nextFlush: Entry? { firstFlush < flushes.count ? flushes[firstFlush] : nil }

    mutating func insert(_ entry: Entry) {
        if entry.kind == .flush, flushes.last.map({ $0.due <= entry.due }) ?? true {
            flushes.append(entry)
            return
        }
        heap.append(entry)
        var child = heap.count - 1
        while child > 0, heap[child] < heap[(child - 1) / 2] {
            heap.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    /// The earliest entry due at `now` or before.
    mutating func next(dueBy now: Timestamp) -> Entry? {
        if let front = nextFlush, front.due <= now {
            sortFlushes(dueAt: front.due)
            let flush = flushes[firstFlush]
            if heap.first.map({ flush < $0 }) ?? true {
                takeFlush()
                return flush
            }
        }
        guard let first = heap.first, first.due <= now else { return nil }
        let last = heap.removeLast()
        if !heap.isEmpty {
            heap[0] = last
            sink()
        }
        return first
    }

    /// Brings the flushes that are due together, at the front, into the order of their vehicles.
    private mutating func sortFlushes(dueAt due: Timestamp) {
        guard firstFlush >= sortedEnd else { return }
        sortedEnd = firstFlush + 1
        while sortedEnd < flushes.count, flushes[sortedEnd].due == due { sortedEnd += 1 }
        if sortedEnd > firstFlush + 1 { flushes[firstFlush..<sortedEnd].sort() }
    }

    private mutating func takeFlush() {
        firstFlush += 1
        let isWorthIt = firstFlush >= TimerQueue.takenMax && 2 * firstFlush >= flushes.count
        guard firstFlush == flushes.count || isWorthIt else { return }
        flushes.removeFirst(firstFlush)
        sortedEnd = max(0, sortedEnd - firstFlush)
        firstFlush = 0
    }

    private mutating func sink() {
        var parent = 0
        while true {
            var smallest = parent
            for child in [2 * parent + 1, 2 * parent + 2]
            where child < heap.count && heap[child] < heap[smallest] {
                smallest = child
            }
            if smallest == parent { return }
            heap.swapAt(parent, smallest)
            parent = smallest
        }
    }
}
