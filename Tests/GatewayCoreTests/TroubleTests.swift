import GatewayCore
import Rules
import Support
import Telemetry
import Testing

/// What cannot be judged is named, and is over when it can be.
struct TroubleTests {
    private let pressure = "\(Fixtures.leftFront).Pressure"

    /// Packets every hour for days, whose own times are `offset` off their arrival.
    private func feed(
        _ gateway: inout Gateway,
        days: Range<Int>,
        offset: Milliseconds,
        _ value: (Int) -> String = { _ in "231.5" }
    ) -> [Trouble] {
        var troubles: [Trouble] = []
        for hour in days.lowerBound * 24..<days.upperBound * 24 {
            let arrival = Fixtures.start + .hours(Int64(hour))
            let payload =
                "{\"v\":1,\"ts\":\"\(arrival + offset)\",\"readings\":{\"\(pressure)\":"
                + "\(value(hour))}}"
            let batch = Fixtures.batch([("vehicles/v1/telemetry", payload, arrival)])
            troubles += gateway.step(.packets(batch), now: arrival).troubles
        }
        return troubles
    }

    private func open(_ gateway: Gateway) -> [TroubleKind] {
        gateway.statuses(from: 0, troubledOnly: true, limit: 10)
            .flatMap(\.troubles).map(\.kind).filter { $0 != .silent }
    }

    /// Local time sent as UTC: nothing was ever stored, and the vehicle is there all the same.
    @Test func aClockThatIsAheadIsNamedWithinThreeDays() throws {
        var gateway = try Fixtures.assembly().makeGateway()
        let troubles = feed(&gateway, days: 0..<3, offset: .hours(8))
        let clock = try #require(troubles.first)
        #expect(clock.kind == .clock && clock.since - Fixtures.start <= .days(Int64(2)))
        #expect(clock.text.contains("local time"))
        #expect(gateway.statuses(from: 0, troubledOnly: false, limit: 10).map(\.vehicle) == ["v1"])
        #expect(open(gateway) == [.clock])
        _ = feed(&gateway, days: 3..<4, offset: .hours(0))
        #expect(open(gateway).isEmpty)
    }

    /// 1,024 weeks behind.
    @Test func aClockThatIsBehindIsNamed() throws {
        var gateway = try Fixtures.assembly().makeGateway()
        let troubles = feed(&gateway, days: 0..<3, offset: .days(Int64(-7_168)))
        #expect(troubles.map(\.kind) == [.clock])
        #expect(troubles.first?.text.contains("7168 days") ?? false)
    }

    /// A device that starts in 1970: nothing is stored, and the reason is known.
    @Test func aClockThatWasNeverSetIsNamed() throws {
        var gateway = try Fixtures.assembly().makeGateway()
        let since1970 = Timestamp(milliseconds: 0) - Fixtures.start
        let troubles = feed(&gateway, days: 0..<3, offset: since1970)
        #expect(troubles.map(\.kind) == [.clock])
        #expect(troubles.first?.text.contains("never set") ?? false)
    }

    /// A car that sends a night's readings in the morning is late, and nothing is wrong with it.
    @Test func aBufferThatIsSentLateIsNoClock() throws {
        var gateway = try Fixtures.assembly().makeGateway()
        for day in 0..<5 {
            let arrival = Fixtures.start + .days(Int64(day))
            for hour in (0..<20).reversed() {
                let time = arrival - .hours(Int64(hour))
                let batch = Fixtures.batch([
                    (
                        "vehicles/v1/telemetry",
                        "{\"v\":1,\"ts\":\"\(time)\",\"readings\":{\"\(pressure)\":231}}", arrival
                    )
                ])
                _ = gateway.step(.packets(batch), now: arrival)
            }
        }
        #expect(open(gateway).isEmpty)
    }

    /// In a recording too; a line that tells no vehicle counts for none.
    @Test func linesOfAClockThatIsAheadAreNamed() throws {
        var gateway = try Fixtures.assembly().makeGateway()
        for hour in 0..<72 {
            let arrival = Fixtures.start + .hours(Int64(hour))
            var batch = PacketBatch()
            for (vehicle, time) in [("ahead", arrival + .hours(8)), ("right", arrival)] {
                let line =
                    "{\"vehicle\":\"\(vehicle)\",\"signal\":\"Vehicle.Speed\",\"ts\":\"\(time)\","
                    + "\"rx\":\"\(arrival)\",\"value\":1}"
                batch.append(topic: [], payload: line.utf8, receivedAt: arrival)
            }
            for _ in 0..<3 {
                batch.append(topic: [], payload: "{not json".utf8, receivedAt: arrival)
            }
            _ = gateway.step(.lines(batch), now: arrival)
        }
        let troubled = gateway.statuses(from: 0, troubledOnly: true, limit: 10)
        #expect(troubled.map(\.vehicle) == ["ahead"])
        #expect(troubled.first?.troubles.map(\.kind) == [.clock])
    }

    @Test func aVehicleWithoutAnyValueIsNamed() throws {
        var gateway = try Fixtures.assembly().makeGateway()
        let troubles = feed(&gateway, days: 0..<2, offset: .hours(0)) { _ in "65535" }
        #expect(troubles.map(\.kind) == [.noReading])
    }

    @Test func aVehicleThatIsRejectedAltogetherIsNamed() throws {
        var gateway = try Fixtures.assembly().makeGateway()
        let troubles = feed(&gateway, days: 0..<2, offset: .hours(0)) { _ in "\"much\"" }
        #expect(troubles.map(\.kind) == [.allRejected])
        // One good reading in between, and it is not.
        var other = try Fixtures.assembly().makeGateway()
        #expect(
            feed(&other, days: 0..<3, offset: .hours(0)) { $0 % 10 == 9 ? "231" : "\"much\"" }
                .isEmpty
        )
    }

    /// Wheels whose scale has changed are judged again when an engineer says that the scale is right.
    @Test func anEngineerAcceptsANewScale() throws {
        var gateway = try Fixtures.assembly().makeGateway()
        let wheels = ["Row1.Wheel.Left", "Row1.Wheel.Right", "Row2.Wheel.Left", "Row2.Wheel.Right"]
        var alerts: [Alert] = []
        var end = Fixtures.start
        func drive(_ days: Range<Int>, _ kilopascals: (Int, Int) -> Double) {
            for step in days.lowerBound * 2..<days.upperBound * 2 {
                end = Fixtures.start + .hours(Int64(step * 12))
                var readings: [String: Double] = [:]
                for (wheel, name) in wheels.enumerated() {
                    let tyre = "Vehicle.Chassis.Axle.\(name).Tire"
                    readings["\(tyre).Pressure"] = kilopascals(wheel, step)
                    readings["\(tyre).AirTemperature"] = 20
                }
                let packet = Fixtures.packet("v1", at: end, readings)
                alerts += gateway.step(.packets(Fixtures.batch([packet])), now: end).alerts
            }
        }
        drive(0..<20) { wheel, _ in 240 + Double(wheel) }
        drive(20..<24) { wheel, _ in 160 + Double(wheel) }
        #expect(open(gateway) == Array(repeating: .dataFault, count: 4))
        #expect(alerts.isEmpty)
        let accept = Command.accept(
            vehicle: "v1",
            component: "tyre_rl",
            by: Actor("ada", .engineer)
        )
        let refused = gateway.step(
            .command(.accept(vehicle: "v1", component: "tyre_rl", by: Actor("chen", .advisor))),
            now: end
        )
        #expect(refused.answer == .failure(Problem(.roleMissing)))
        #expect(gateway.step(.command(accept), now: end).answer == .success(.vehicle(name: "v1")))
        #expect(open(gateway).isEmpty)
        // 160 kPa of 240 is below the limit, now that it is believed.
        drive(24..<27) { wheel, _ in 160 + Double(wheel) }
        #expect(Set(alerts.map(\.component)).isSuperset(of: ["tyre_fl", "tyre_rr"]))
    }

    @Test func anAlertThatComesAndGoesIsOneMatter() throws {
        var gateway = try Fixtures.assembly().makeGateway()
        var suggestions: Set<Int64> = []
        var troubles: [Trouble] = []
        for step in 0..<70 * 3 {
            let time = Fixtures.start + .hours(Int64(step * 8))
            // A week's swing around the limit of 180 kPa.
            let phase = step % 21
            let packet = Fixtures.packet(
                "v1",
                at: time,
                [
                    pressure: phase < 10 ? 186 : 173,
                    "\(Fixtures.leftFront).AirTemperature": 20,
                ]
            )
            let unit = gateway.step(.packets(Fixtures.batch([packet])), now: time)
            suggestions.formUnion(unit.suggestions.map(\.id.rawValue))
            troubles += unit.troubles
        }
        // Three falls that look like a nail; from then on one at a time, each for three weeks.
        #expect(suggestions.count <= 6, "\(suggestions.count)")
        #expect(troubles.contains { $0.kind == .dataFault && $0.component == "tyre_fl" })
        #expect(troubles.contains { $0.kind == .flapping && $0.component == "tyre_fl" })
    }
}
