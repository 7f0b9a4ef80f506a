import ConfigFiles
import Foundation
package import GatewayApp
package import GatewayCore
package import Rules
package import SimulatorParts
package import Telemetry

/// The shipped configuration, read once: tests judge what users get.
package enum Fixtures {
    package static func assembly() throws -> Assembly {
        try Assembly(configPath: Repository.config)
    }

    package static func rule(_ id: String) throws -> Rule {
        try assembly().rules.first { $0.id == id } ?? { throw Missing(what: id) }()
    }

    package struct Missing: Error {
        package var what: String
    }

    /// 2026-03-01T00:00:00Z, a Sunday.
    package static let start = Timestamp(milliseconds: 1_772_323_200_000)

    /// A batch of publishes.
    package static func batch(
        _ packets: [(topic: String, payload: String, receivedAt: Timestamp)]
    ) -> PacketBatch {
        var batch = PacketBatch()
        for packet in packets {
            batch.append(
                topic: Array(packet.topic.utf8),
                payload: Array(packet.payload.utf8),
                receivedAt: packet.receivedAt
            )
        }
        return batch
    }

    /// A telemetry packet of the native form.
    package static func packet(
        _ vehicle: String,
        sequence: Int? = nil,
        at time: Timestamp,
        _ readings: [String: Double]
    ) -> (topic: String, payload: String, receivedAt: Timestamp) {
        let boot = sequence.map { "\"boot\":\"b1\",\"seq\":\($0)," } ?? ""
        let fields = readings.sorted { $0.key < $1.key }.map { "\"\($0.key)\":\($0.value)" }
        return (
            "vehicles/\(vehicle)/telemetry",
            "{\"v\":1,\(boot)\"ts\":\"\(time)\",\"readings\":{\(fields.joined(separator: ","))}}",
            time
        )
    }

    /// A packet that says twice, ten minutes apart, that a service was due so many km ago: one
    /// reading alone decides nothing.
    package static func overdue(
        _ vehicle: String,
        at time: Timestamp,
        kilometres: Double = 120,
        _ signal: String = "Vehicle.Service.DistanceToService"
    ) -> (topic: String, payload: String, receivedAt: Timestamp) {
        let payload = overduePayload(
            from: "\(time - .minutes(10))",
            to: "\(time)",
            kilometres: kilometres,
            signal
        )
        return ("vehicles/\(vehicle)/telemetry", payload, time)
    }

    /// The payload of such a packet; `header` are more of its fields.
    package static func overduePayload(
        from first: String,
        to second: String,
        kilometres: Double = 10,
        _ signal: String = "Vehicle.Service.DistanceToService",
        header: String = ""
    ) -> String {
        let readings = [first, second].map {
            "{\"signal\":\"\(signal)\",\"value\":\(-kilometres),\"ts\":\"\($0)\"}"
        }
        return "{\"v\":1,\(header)\"ts\":\"\(second)\",\"readings\":["
            + readings.joined(separator: ",") + "]}"
    }

    /// One message that a broker hands over under its number, perhaps again.
    package static func delivery(
        _ topic: String,
        _ payload: String,
        identifier: UInt16,
        isAgain: Bool = false,
        receivedAt: Timestamp
    ) -> PacketBatch {
        var batch = PacketBatch()
        batch.append(
            topic: Array(topic.utf8),
            payload: Array(payload.utf8),
            receivedAt: receivedAt,
            identifier: identifier,
            isRedelivered: isAgain
        )
        return batch
    }

    package static let leftFront = "Vehicle.Chassis.Axle.Row1.Wheel.Left.Tire"

    /// A front-left tyre that loses `perDay` kPa, told three times a day at 20 °C.
    package static func leak(
        _ vehicle: String,
        from kilopascals: Double = 240,
        perDay: Double,
        days: Int,
        start: Timestamp = start
    ) -> [(topic: String, payload: String, receivedAt: Timestamp)] {
        (0..<days * 3).map { step in
            let time = start + .hours(Int64(step * 8))
            // A fixed pattern of ±0.6 kPa stands for noise.
            let noise = [0.6, -0.4, 0.2, -0.6, 0.4, -0.2][step % 6]
            return packet(
                vehicle,
                sequence: step + 1 + Int((start - Fixtures.start).hours / 8),
                at: time,
                [
                    "\(leftFront).Pressure": kilopascals - perDay * Double(step) / 3 + noise,
                    "\(leftFront).AirTemperature": 20,
                ]
            )
        }
    }
}

/// Seeds that fail can be run again.
package typealias SeededGenerator = SimulatorParts.SeededGenerator
