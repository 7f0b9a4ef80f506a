import Foundation
import MQTTSource
import SimulatorParts
import Telemetry

/// The loop of a simulated fleet: what is due is published, what is confirmed is forgotten.
struct FleetRun {
    /// Unconfirmed packets of the whole fleet at which it stops sending new ones.
    private static let outstandingMax = 4_000
    /// How long a vehicle waits for a confirmation before it sends again.
    private static let patience = Duration.seconds(5)
    private static let resendMax = 50

    private var fleet: [SimulatedVehicle]
    private let clock: CatchUpClock
    private let punctureSeconds: Int
    private let stopsWhenConfirmed: Bool
    private var outboxes: [Outbox]
    private var numbers: [String: Int] = [:]
    private var sent = 0
    private var resent = 0
    private var outstanding = 0
    private var isPunctured = false
    private var reportedAt = ContinuousClock.now
    private var resendAt = ContinuousClock.now

    init(
        fleet: [SimulatedVehicle],
        clock: CatchUpClock,
        punctureSeconds: Int,
        stopsWhenConfirmed: Bool
    ) {
        self.fleet = fleet
        self.clock = clock
        self.punctureSeconds = punctureSeconds
        self.stopsWhenConfirmed = stopsWhenConfirmed
        outboxes = fleet.map { _ in Outbox() }
        for (index, vehicle) in fleet.enumerated() { numbers[vehicle.name] = index }
    }

    /// Publishes until stopped; connects again when the connection is lost.
    mutating func publish(to address: BrokerAddress) throws {
        let session = try BrokerSession(address)
        let confirmed = Confirmed()
        session.onPublish { publish in
            unsafe confirmed.note(
                topic: String(decoding: publish.topic, as: UTF8.self),
                payload: String(decoding: publish.payload, as: UTF8.self)
            )
        }
        var backoff = Backoff()
        var generator = SystemRandomNumberGenerator()
        while true {
            do {
                try session.connect()
                if try serve(session, confirmed, &backoff) { return }
                say("connection lost")
            } catch {
                say("\(error)")
            }
            let delay = backoff.delayMilliseconds(using: &generator)
            Thread.sleep(forTimeInterval: Double(delay) / 1_000)
        }
    }

    /// One connection.
    ///
    /// True when everything is done.
    private mutating func serve(
        _ session: BrokerSession,
        _ confirmed: Confirmed,
        _ backoff: inout Backoff
    ) throws -> Bool {
        var isReady = false
        var keptAliveAt = ContinuousClock.now
        while true {
            let ready = session.wait(milliseconds: 10, wake: -1)
            if ready.isReadable, session.read(until: { false }) == .lost { return false }
            if try session.takeConnectResult() != nil {
                try session.subscribe("vehicles/+/committed")
                try session.subscribe(Repair.repairs)
                for vehicle in fleet {
                    try session.publish(
                        "vehicles/\(vehicle.name)/profile",
                        Array(vehicle.profile.utf8),
                        qos: 1
                    )
                    try tellCondition(of: vehicle, session)
                }
                backoff.reset()
                isReady = true
            }
            for (name, boot, sequence) in confirmed.take() {
                // A confirmation of an earlier run of this fleet says nothing about this one.
                guard let index = numbers[name], fleet[index].boot == boot else { continue }
                outstanding -= outboxes[index].count
                outboxes[index].confirm(sequence)
                outstanding += outboxes[index].count
            }
            for (name, part) in confirmed.takeRepairs() {
                guard let index = numbers[name] else { continue }
                fleet[index].repair(part, at: clock.time(atWall: FleetCommand.wall()))
                try tellCondition(of: fleet[index], session)
            }
            if isReady {
                try sendDue(session)
                try resendOverdue(session)
            }
            if ContinuousClock.now - keptAliveAt > .seconds(5) {
                keptAliveAt = ContinuousClock.now
                if !session.keepAlive() { return false }
            }
            if !session.flush() { return false }
            report()
            if stopsWhenConfirmed, outstanding == 0, sent > 0,
                clock.hasCaughtUp(atWall: FleetCommand.wall())
            {
                session.disconnect()
                _ = session.flush()
                say("everything is confirmed")
                return true
            }
        }
    }

    private mutating func sendDue(_ session: BrokerSession) throws {
        let wall = FleetCommand.wall()
        let now = clock.time(atWall: wall)
        try puncture(wall, session)
        for index in fleet.indices {
            while fleet[index].nextAt <= now, outstanding < FleetRun.outstandingMax {
                for (sequence, members) in fleet[index].step() {
                    let payload = outboxes[index].append(sequence, members)
                    outstanding += 1
                    sent += 1
                    try session.publish(
                        "vehicles/\(fleet[index].name)/telemetry",
                        Array(payload.utf8),
                        qos: 1
                    )
                }
            }
        }
    }

    /// Retained, so that a workshop that starts later sees it too.
    private func tellCondition(of vehicle: SimulatedVehicle, _ session: BrokerSession) throws {
        try session.publish(
            Repair.conditionTopic(of: vehicle.name),
            Array((vehicle.condition ?? "").utf8),
            qos: 1,
            isRetained: true
        )
    }

    /// Once, in real time: one tyre loses its air on the road, so that an alert is born live.
    private mutating func puncture(_ wall: Timestamp, _ session: BrokerSession) throws {
        guard punctureSeconds > 0, clock.hasCaughtUp(atWall: wall) else { return }
        guard wall > clock.present + .seconds(Int64(punctureSeconds)) else { return }
        if !isPunctured {
            isPunctured = true
            fleet[0].puncture(at: wall)
            say("\(fleet[0].name) runs over a nail")
            try tellCondition(of: fleet[0], session)
        }
        if fleet[0].hasPuncture { fleet[0].hurry(to: wall) }
    }

    private mutating func resendOverdue(_ session: BrokerSession) throws {
        guard ContinuousClock.now - resendAt > .milliseconds(500) else { return }
        resendAt = ContinuousClock.now
        for index in fleet.indices {
            let overdue = outboxes[index].takeOverdue(
                after: FleetRun.patience,
                limit: FleetRun.resendMax
            )
            for payload in overdue {
                resent += 1
                try session.publish(
                    "vehicles/\(fleet[index].name)/telemetry",
                    Array(payload.utf8),
                    qos: 1
                )
            }
        }
    }

    private mutating func report() {
        guard ContinuousClock.now - reportedAt > .seconds(5) else { return }
        reportedAt = ContinuousClock.now
        let now = clock.time(atWall: FleetCommand.wall())
        say("\(now)  sent \(sent)  resent \(resent)  unconfirmed \(outstanding)")
    }

    private func say(_ text: String) {
        FileHandle.standardError.write(Data("fleet: \(text)\n".utf8))
    }
}

/// Confirmations as they come in; a reference, because the session's handler fills it.
private final class Confirmed {
    private struct Body: Decodable {
        var boot: String
        var seq: UInt64
    }

    private var latest: [(vehicle: String, boot: String, sequence: UInt64)] = []
    private var repairs: [(vehicle: String, part: String)] = []

    func note(topic: String, payload: String) {
        if let vehicle = Repair.vehicle(ofTopic: topic) {
            repairs.append((vehicle, payload))
            return
        }
        let levels = topic.split(separator: "/")
        guard levels.count == 3,
            let body = try? JSONDecoder().decode(Body.self, from: Data(payload.utf8))
        else { return }
        latest.append((String(levels[1]), body.boot, body.seq))
    }

    func takeRepairs() -> [(vehicle: String, part: String)] {
        defer { repairs.removeAll() }
        return repairs
    }

    func take() -> [(vehicle: String, boot: String, sequence: UInt64)] {
        defer { latest.removeAll() }
        return latest
    }
}
