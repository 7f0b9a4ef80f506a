import MQTTSource
import SimulatorParts

/// What workshop and cars tell each other, over the gateway's broker.
final class FleetLine {
    private let session: BrokerSession
    private var isReady = false
    private var beats = 0
    /// Each car's ailing part, by vehicle.
    private(set) var conditions: [String: String] = [:]
    private let heard = Heard()

    private final class Heard {
        var conditions: [(vehicle: String, part: String)] = []
    }

    init(host: String, port: Int) throws {
        session = try BrokerSession(
            BrokerAddress(
                host: host,
                port: port,
                clientID: "dealer-simulator",
                receiveMaximum: 1_000
            )
        )
        session.onPublish { [heard] publish in
            let topic = unsafe String(decoding: publish.topic, as: UTF8.self)
            guard let vehicle = Repair.vehicle(ofTopic: topic) else { return }
            heard.conditions.append(
                (vehicle, unsafe String(decoding: publish.payload, as: UTF8.self))
            )
        }
        try session.connect()
    }

    /// Reads and writes what there is.
    func beat() throws {
        let ready = session.wait(milliseconds: 0, wake: -1)
        if ready.isReadable { _ = session.read(until: { false }) }
        if try session.takeConnectResult() != nil {
            try session.subscribe(Repair.conditions)
            isReady = true
        }
        for (vehicle, part) in heard.conditions {
            conditions[vehicle] = part.isEmpty ? nil : part
        }
        heard.conditions.removeAll()
        beats += 1
        if beats.isMultiple(of: 100) { _ = session.keepAlive() }
        _ = session.flush()
    }

    func tell(repaired part: String, on vehicle: String) throws {
        guard isReady else { return }
        try session.publish(
            Repair.repairedTopic(of: vehicle),
            Array(part.utf8),
            qos: 1
        )
    }
}
