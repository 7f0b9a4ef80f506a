package import Decoding
package import Rules
package import Telemetry
package import Workshop

/// Packets as received, back to back in one arena: nothing is allocated per packet.
package struct PacketBatch: Sendable {
    package struct Packet: Sendable {
        package var topic: Range<Int>
        package var payload: Range<Int>
        package var receivedAt: Timestamp
        /// Whether the broker had kept it for new subscribers, and nobody knows since when.
        package var isRetained = false
    }

    package private(set) var arena: [UInt8] = []
    package private(set) var packets: [Packet] = []

    package init() {}

    package var isEmpty: Bool { packets.isEmpty }

    package func isFull(packetsMax: Int) -> Bool {
        packets.count >= packetsMax || arena.count >= Limits.batchBytesMax
    }

    package mutating func append(
        topic: some Sequence<UInt8>,
        payload: some Sequence<UInt8>,
        receivedAt: Timestamp,
        isRetained: Bool = false
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
                isRetained: isRetained
            )
        )
    }

    package mutating func removeAll() {
        arena.removeAll(keepingCapacity: true)
        packets.removeAll(keepingCapacity: true)
    }
}

/// A decision of a person.
package enum Command: Sendable, Equatable {
    /// Confirms the held slot, or another of the offered ones.
    case book(SuggestionID, version: Int, offer: OfferLabel?, actor: String)
    case decline(
        SuggestionID,
        version: Int,
        reason: DeclineReason,
        note: String,
        actor: String
    )
    /// Takes dead letters in again, as if they came now for the first time.
    case reingest([StoredPacket])
    /// Forgets dead letters.
    case discard([Int64])
    /// Puts other rules and limits in force.
    case reload(RuleSet, actor: String)
    /// Something befell the gateway itself that its history should hold.
    case note(Occurrence)
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
    /// Dead letters that are gone; of those taken in again, readings accepted and still rejected.
    case deadLetters(removed: Int, accepted: Int, rejected: Int)
    case noted
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
