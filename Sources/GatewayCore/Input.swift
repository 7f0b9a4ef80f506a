package import Decoding
package import Rules
public import Telemetry
package import Workshop

/// Packets as received, back to back in one arena: nothing is allocated per packet.
///
/// Public and open, so that `append` is compiled for the bytes that each of its callers has.
public struct PacketBatch: Sendable {
    /// One packet: where its bytes stand in the arena, and how it came.
    public struct Packet: Sendable {
        /// Where the topic stands in the arena; empty for a line of a recording.
        public var topic: Range<Int>
        /// Where the payload stands in the arena.
        public var payload: Range<Int>
        /// When it arrived.
        public var receivedAt: Timestamp
        /// Whether the broker had kept it for new subscribers, and nobody knows since when.
        public var isRetained: Bool
        /// The broker's number for it until it is acknowledged; 0 for none.
        public var identifier: UInt16
        /// Whether the broker says that it delivers it again.
        public var isRedelivered: Bool

        /// A packet whose bytes stand in the arena.
        @inlinable
        public init(
            topic: Range<Int>,
            payload: Range<Int>,
            receivedAt: Timestamp,
            isRetained: Bool,
            identifier: UInt16,
            isRedelivered: Bool
        ) {
            self.topic = topic
            self.payload = payload
            self.receivedAt = receivedAt
            self.isRetained = isRetained
            self.identifier = identifier
            self.isRedelivered = isRedelivered
        }
    }

    /// The bytes of all packets.
    public var arena: [UInt8] = []
    /// The packets, in the order in which they came.
    public var packets: [Packet] = []

    package init() {}

    package var isEmpty: Bool { packets.isEmpty }

    package func isFull(packetsMax: Int) -> Bool {
        packets.count >= packetsMax || arena.count >= Limits.batchBytesMax
    }

    /// Copies a packet into the batch.
    @inlinable
    public mutating func append(
        topic: some Sequence<UInt8>,
        payload: some Sequence<UInt8>,
        receivedAt: Timestamp,
        isRetained: Bool = false,
        identifier: UInt16 = 0,
        isRedelivered: Bool = false
    ) {
        let start = arena.count
        arena.append(contentsOf: topic)
        let middle = arena.count
        arena.append(contentsOf: payload)
        packets.append(
            Packet(
                topic: start..<middle,
                payload: middle..<arena.count,
                receivedAt: receivedAt,
                isRetained: isRetained,
                identifier: identifier,
                isRedelivered: isRedelivered
            )
        )
    }

    package mutating func removeAll() {
        arena.removeAll(keepingCapacity: true)
        packets.removeAll(keepingCapacity: true)
    }
}

/// Which time a visit is to have.
package enum SlotChoice: Sendable, Equatable {
    /// The one that is held.
    case held
    case offer(OfferLabel)
    /// One somebody picked; outside the window it needs a reason.
    case start(Timestamp, reason: String)
}

/// What a person does with a suggestion.
package enum SuggestionStep: Sendable, Equatable {
    /// Takes the lease, or lengthens one's own.
    case lease
    case release(reason: String)
    case book(SlotChoice)
    /// Books what a hold of the same person's keeps, perhaps at another station.
    case bookHold(OccupancyID, reason: String)
    case decline(DeclineReason, note: String)
    case wait(Wait, note: String)
    case escalate(Queue, reason: String)
    case attempt(ContactAttempt)
    case undo
    /// The cause is gone; whoever has the lease has seen it.
    case acknowledge
    /// Adds the work to the confirmed visit.
    case merge
    /// The customer answered an offer; what was said, as it came.
    case customerAccepts(channel: ContactChannel, reply: String)
}

/// When a muted alert speaks again; getting worse ends it in any case.
package enum MuteEnd: Sendable, Equatable {
    case time(Timestamp)
    /// When the vehicle's next visit is over.
    case nextVisit
    case worse
}

/// What a person does with an alert.
package enum AlertStep: Sendable, Equatable {
    case mute(until: MuteEnd, reason: String)
    case unmute
    /// The sensor or the feed is wrong.
    case dataFault(reason: String)

    var event: AlertState.Event {
        switch self {
        case .mute: .mute
        case .unmute: .unmute
        case .dataFault: .badData
        }
    }
}

/// What a person does with a visit.
package enum AppointmentStep: Sendable, Equatable {
    /// Another time, also after a visit that was missed.
    case move(to: Timestamp, reason: String)
    case arrive(odometerKilometres: Int?, symptoms: String)
    case miss
    case cancel(CancelCode, note: String)
    case start
    /// `advised`: codes of jobs the customer was told of and that were not done.
    case finish([Finding], advised: [String])
    case rework(reason: String)
    /// The car left without the work.
    case abort(CancelCode, note: String)
    case followUp(FollowUp)
    case settle(ToDo.Kind)
}

/// When and where a visit that no suggestion asked for is to be.
package enum WalkInSlot: Sendable, Equatable {
    case start(Timestamp, station: String)
    /// What a hold of the same person's keeps.
    case kept(OccupancyID)
}

/// A visit that no suggestion asked for.
package struct WalkIn: Sendable, Equatable {
    package var vehicle: String
    package var jobs: [String]
    package var slot: WalkInSlot
    package var note: String

    package init(vehicle: String, jobs: [String], slot: WalkInSlot, note: String) {
        self.vehicle = vehicle
        self.jobs = jobs
        self.slot = slot
        self.note = note
    }
}

/// A slot to be kept free for somebody who speaks with a customer.
package struct HoldRequest: Sendable, Equatable {
    package var station: String
    package var start: Timestamp
    /// As long as the work takes, when that is longer.
    package var minutes: Int
    /// What it is for, as far as that is known: it decides which bays and technicians will do.
    package var jobs: [String]
    package var suggestion: SuggestionID?
    /// Codes of what it must be, where that matters.
    package var bay: String?
    package var technician: String?

    package init(
        station: String,
        start: Timestamp,
        minutes: Int,
        jobs: [String] = [],
        suggestion: SuggestionID? = nil,
        bay: String? = nil,
        technician: String? = nil
    ) {
        self.station = station
        self.start = start
        self.minutes = minutes
        self.jobs = jobs
        self.suggestion = suggestion
        self.bay = bay
        self.technician = technician
    }
}

/// What a person does with a slot that is to be kept free for a while.
package enum HoldStep: Sendable, Equatable {
    case take(HoldRequest)
    /// As long again, from now.
    case lengthen(OccupancyID)
    case giveUp(OccupancyID)
}

/// A decision of a person; `version` is the one that was seen.
package enum Command: Sendable, Equatable {
    case suggestion(SuggestionID, version: Int, SuggestionStep, by: Actor)
    case appointment(AppointmentID, version: Int, AppointmentStep, by: Actor)
    case alert(AlertID, AlertStep, by: Actor)
    case walkIn(WalkIn, by: Actor)
    case hold(HoldStep, by: Actor)
    /// A station, a bay or a technician is not there for a while.
    case close(station: String, Closure.Scope, OpenInterval, reason: String, by: Actor)
    case reopen(ClosureID, by: Actor)
    case resolve(ComplaintID, resolution: String, by: Actor)
    /// Takes dead letters in again, as if they came now for the first time.
    case reingest([StoredPacket])
    /// Forgets dead letters.
    case discard([Int64])
    /// What another system says a vehicle is.
    case register(RegistryRow, by: Actor)
    /// What the desk says of vehicles has changed.
    case facts([VehicleNews])
    /// Puts other rules and limits in force.
    case reload(RuleSet, by: Actor)
    /// Something befell the gateway itself that its history should hold.
    case note(Occurrence)
    /// An engineer accepts what a component that was not judged tells.
    case accept(vehicle: String, component: String, by: Actor)
}

/// What befalls the gateway rather than a vehicle.
package enum Occurrence: String, Sendable, Equatable {
    /// The broker has lost our session and the packets it held for us: a gap is possible.
    case sessionLost = "session_lost"
}

/// A dead letter's packet.
package struct StoredPacket: Sendable, Equatable {
    package var id: Int64
    /// Empty for a line of a recording.
    package var topic: [UInt8]
    package var payload: [UInt8]
    package var receivedAt: Timestamp

    package init(id: Int64, topic: [UInt8], payload: [UInt8], receivedAt: Timestamp) {
        self.id = id
        self.topic = topic
        self.payload = payload
        self.receivedAt = receivedAt
    }
}

/// What became of a command.
package enum Answer: Sendable, Equatable {
    case suggestion(SuggestionID)
    case alert(AlertID)
    case appointment(AppointmentID)
    case hold(OccupancyID)
    /// Visits that cannot be kept as they stand.
    case closure(ClosureID, impossible: [AppointmentID])
    case complaint(ComplaintID)
    /// Dead letters that are gone; of those taken in again, readings accepted and still rejected.
    case deadLetters(removed: Int, accepted: Int, rejected: Int)
    case noted
    case vehicle(name: String)
    /// Rules in force now, and alerts that ended because no rule watches their component.
    case reloaded(rules: Int, superseded: Int)
}

/// Rules, and the limits of single vehicles that go with them.
package struct RuleSet: Sendable, Equatable {
    package var rules: [Rule]
    /// By vehicle; slots are those of an engine of `rules`.
    package var limits: [String: [VehicleLimit]]

    package init(rules: [Rule], limits: [String: [VehicleLimit]]) {
        self.rules = rules
        self.limits = limits
    }
}

/// What the core can be given.
package enum Input: Sendable {
    /// Publishes of vehicles, from the broker.
    case packets(PacketBatch)
    /// Lines of a recording: the payload of each packet is one reading.
    case lines(PacketBatch)
    /// Registry rows, by vehicle name.
    case registry([RegistryRow])
    case command(Command)
    /// Nothing but the time.
    case tick
}

/// A vehicle as a registry file names it.
package struct RegistryRow: Sendable, Equatable {
    package var vehicle: String
    package var profile: VehicleProfile

    package init(vehicle: String, profile: VehicleProfile) {
        self.vehicle = vehicle
        self.profile = profile
    }
}
