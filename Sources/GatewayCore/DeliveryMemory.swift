package import Telemetry

/// A message whose values have no time but that of their arrival, under its number of the broker's.
package struct Delivery: Sendable, Equatable {
    /// MQTT's packet identifier.
    package var identifier: UInt16
    /// Of topic and payload.
    package var hash: UInt64
    package var receivedAt: Timestamp

    package init(identifier: UInt16, hash: UInt64, receivedAt: Timestamp) {
        self.identifier = identifier
        self.hash = hash
        self.receivedAt = receivedAt
    }
}

/// The last such messages that were taken in.
///
/// After a crash between commit and acknowledgement the broker delivers again, under the same
/// identifier and marked as such; by then the message would be as old as its second arrival, and its
/// values would be stored twice. Invariant: at most `Limits.deliveriesMax`, the oldest leave first,
/// and one an identifier, the newest.
struct DeliveryMemory: Sendable {
    private var ring: [Delivery] = []
    private var next = 0
    private var places: [UInt16: Int] = [:]

    mutating func note(_ delivery: Delivery) {
        if ring.count < Limits.deliveriesMax {
            ring.append(delivery)
        } else {
            let oldest = ring[next].identifier
            if places[oldest] == next { places[oldest] = nil }
            ring[next] = delivery
        }
        places[delivery.identifier] = next
        next = (next + 1) % Limits.deliveriesMax
    }

    /// When a message arrived first that the broker delivers again; nil when it is not known.
    func arrival(of identifier: UInt16, hash: UInt64) -> Timestamp? {
        guard let place = places[identifier], ring[place].hash == hash else { return nil }
        return ring[place].receivedAt
    }
}
