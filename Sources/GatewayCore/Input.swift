package import Decoding
package import Telemetry
package import Workshop

/// Packets as received, back to back in one arena: nothing is allocated per packet.
package struct PacketBatch: Sendable {
    package struct Packet: Sendable {
        package var topic: Range<Int>
        package var payload: Range<Int>
        package var receivedAt: Timestamp
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
        receivedAt: Timestamp
    ) {
        let start = arena.count
        arena.append(contentsOf: topic)
        let middle = arena.count
        arena.append(contentsOf: payload)
        packets.append(
            Packet(
                topic: start..<middle,
                payload: middle..<arena.count,
                receivedAt: receivedAt
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
