import Decoding
import GatewayApp
import GatewayCore
import Support
import Telemetry
import Testing

/// Silence, gaps and second chances.
struct FeedTests {
    private func makeGateway(silentAfter: Milliseconds? = nil) throws -> Gateway {
        let assembly = try Fixtures.assembly()
        return Gateway(
            catalogue: assembly.catalogue,
            sources: assembly.sources,
            rules: assembly.rules,
            stations: assembly.stations,
            jobs: assembly.jobs,
            silentAfter: silentAfter
        )
    }

    private func speed(_ vehicle: String, _ sequence: Int? = nil, at time: Timestamp) -> PacketBatch
    {
        Fixtures.batch([
            Fixtures.packet(vehicle, sequence: sequence, at: time, ["Vehicle.Speed": 1])
        ])
    }

    // MARK: Silence

    @Test func silenceIsNoticedByTheClockAndEndsWithAPacket() throws {
        var gateway = try makeGateway(silentAfter: .hours(Int64(24)))
        let start = Fixtures.start
        _ = gateway.step(.packets(speed("a", at: start)), now: start)
        _ = gateway.step(.packets(speed("b", at: start)), now: start)
        let kept = start + .hours(Int64(20))
        _ = gateway.step(.packets(speed("b", at: kept)), now: kept)
        let before = gateway.step(.tick, now: start + .hours(Int64(24)) - .seconds(1))
        #expect(before.transitions.isEmpty && gateway.silentCount == 0)
        let unit = gateway.step(.tick, now: start + .hours(Int64(30)))
        #expect(unit.transitions.map(\.event) == ["silent_too_long"])
        #expect(unit.transitions.map(\.at) == [start + .hours(Int64(24))])
        #expect(gateway.statuses(from: 0, troubledOnly: true, limit: 9).map(\.vehicle) == ["a"])
        let back = start + .hours(Int64(31))
        let heard = gateway.step(.packets(speed("a", at: back)), now: back)
        #expect(heard.transitions.map(\.event) == ["heard"])
        #expect(gateway.silentCount == 0)
        let again = gateway.step(.tick, now: back + .days(Int64(2)))
        #expect(again.transitions.map(\.event) == ["silent_too_long", "silent_too_long"])
    }

    @Test func statusesComeInPages() throws {
        var gateway = try makeGateway()
        for name in ["c", "a", "b"] {
            _ = gateway.step(.packets(speed(name, at: Fixtures.start)), now: Fixtures.start)
        }
        let first = gateway.statuses(from: 0, troubledOnly: false, limit: 2)
        #expect(first.map(\.vehicle) == ["c", "a"])
        #expect(gateway.statuses(from: 2, troubledOnly: false, limit: 2).map(\.vehicle) == ["b"])
        #expect(gateway.statuses(from: 99, troubledOnly: false, limit: 2).isEmpty)
    }

    // MARK: Gaps

    @Test func missingNumbersAreCountedUntilTheyCome() throws {
        var gateway = try makeGateway()
        for sequence in [1, 2, 5, 9, 7] {
            let time = Fixtures.start + .minutes(Int64(sequence))
            _ = gateway.step(.packets(speed("a", sequence, at: time)), now: time)
        }
        #expect(gateway.missingPackets == 4)
        let status = try #require(gateway.statuses(from: 0, troubledOnly: true, limit: 1).first)
        #expect(status.missingPackets == 4)
        for sequence in [3, 4, 6, 8] {
            _ = gateway.step(.packets(speed("a", sequence, at: Fixtures.start)), now: gateway.now)
        }
        #expect(gateway.missingPackets == 0)
        #expect(gateway.statuses(from: 0, troubledOnly: true, limit: 1).isEmpty)
    }

    private func numbered(_ sequence: Int, oldest: Int? = nil) -> PacketBatch {
        let hint = oldest.map { "\"oldest\":\($0)," } ?? ""
        let text =
            "{\"v\":1,\"boot\":\"b1\",\"seq\":\(sequence),\(hint)\"ts\":\"\(Fixtures.start)\","
            + "\"readings\":{\"Vehicle.Speed\":\(sequence)}}"
        return Fixtures.batch([("vehicles/a/telemetry", text, Fixtures.start)])
    }

    /// What a vehicle no longer has is not waited for.
    @Test func aVehicleThatDroppedPacketsSaysSoAndIsConfirmedAgain() throws {
        var gateway = try makeGateway()
        for sequence in [1, 2, 6, 7] {
            _ = gateway.step(.packets(numbered(sequence)), now: Fixtures.start)
        }
        #expect(gateway.confirmations.map(\.sequence) == [2])
        let unit = gateway.step(.packets(numbered(9, oldest: 7)), now: Fixtures.start)
        #expect(unit.confirmations.map(\.sequence) == [7])
        #expect(unit.counts.skippedPackets == 3)
        #expect(gateway.missingPackets == 1)
        let last = gateway.step(.packets(numbered(10, oldest: 10)), now: Fixtures.start)
        #expect(last.confirmations.map(\.sequence) == [10])
        #expect(last.counts.skippedPackets == 1 && gateway.missingPackets == 0)
    }

    /// A packet cut short is kept, and its number, which stands before the damage, is accounted
    /// for.
    @Test func aPacketCutShortDoesNotHoldUpTheOthers() throws {
        var gateway = try makeGateway()
        let cut = "{\"v\":1,\"boot\":\"b1\",\"seq\":1,\"ts\":\"2026-03-01T00:00:00Z\",\"readi"
        let unit = gateway.step(
            .packets(Fixtures.batch([("vehicles/a/telemetry", cut, Fixtures.start)])),
            now: Fixtures.start
        )
        #expect(unit.deadLetters.map(\.rejection.reason) == [.notJSON])
        #expect(unit.confirmations.map(\.sequence) == [1])
    }

    /// A recording may hold whole packets.
    @Test func aLineMayBeAPacket() throws {
        var gateway = try makeGateway()
        var batch = PacketBatch()
        for line in [
            "{\"vehicle\":\"v\",\"v\":1,\"boot\":\"b\",\"seq\":1,\"rx\":\"2026-03-01T00:00:09Z\","
                + "\"ts\":\"2026-03-01T00:00:05Z\",\"readings\":{\"Vehicle.Speed\":1,"
                + "\"Vehicle.Warp\":2,\"Vehicle.TraveledDistance\":3}}",
            "{\"vehicle\":\"v\",\"v\":1,\"ts\":\"2026-03-01T00:01:05Z\","
                + "\"readings\":[{\"signal\":\"Vehicle.Speed\",\"value\":4}]}",
            "{\"v\":1,\"ts\":\"2026-03-01T00:01:05Z\",\"readings\":{\"Vehicle.Speed\":4}}",
            "{\"vehicle\":\"v\",\"signal\":\"Vehicle.Speed\",\"ts\":\"2026-03-01T00:02:00Z\","
                + "\"value\":5}",
        ] {
            batch.append(topic: [], payload: line.utf8, receivedAt: gateway.now)
        }
        let unit = gateway.step(.lines(batch), now: gateway.now)
        #expect(unit.readings.map(\.value) == [1, 3, 4, 5])
        #expect(unit.readings.first?.receivedAt == Fixtures.start + .seconds(9))
        #expect(unit.deadLetters.map(\.rejection.reason) == [.unknownSignal, .missingField])
        #expect(gateway.now == Fixtures.start + .minutes(2))
    }

    /// A vehicle may tell its placard pressure as a reading, too.
    @Test func aPlacardPressureMovesTheLimit() throws {
        var gateway = try makeGateway()
        let packet = Fixtures.packet(
            "v",
            at: Fixtures.start,
            ["Private.Chassis.Axle.Row2.Tire.PlacardPressure": 290]
        )
        let unit = gateway.step(.packets(Fixtures.batch([packet])), now: Fixtures.start)
        #expect(unit.vehicles.last?.profile.placardRearKilopascals == 290)
        #expect(unit.vehicles.last?.profile.placardFrontKilopascals == nil)
    }

    // MARK: A second chance

    /// A packet that came before its sensor was in the table gives, taken in again, what it would
    /// have given.
    @Test func whatIsTakenInAgainGivesWhatAFirstReadingWouldHave() throws {
        let packet = (
            "rtl_433/r/events", "{\"type\":\"TPMS\",\"id\":\"new\",\"pressure_kPa\":231.5}",
            Fixtures.start
        )
        let assembly = try Fixtures.assembly()
        var mended = assembly
        for index in mended.sources.indices where mended.sources[index].name == "rtl433-tpms" {
            mended.sources[index].mountings["new"] =
                Source.Mounting(vehicle: "v", wheel: "Row2.Left")
        }
        var first = mended.makeGateway()
        let expected = first.step(.packets(Fixtures.batch([packet])), now: Fixtures.start)

        var gateway = assembly.makeGateway()
        let rejected = gateway.step(.packets(Fixtures.batch([packet])), now: Fixtures.start)
        let letter = try #require(rejected.deadLetters.first)
        #expect(letter.rejection.reason == .unknownSensor)
        let later = Fixtures.start + .days(Int64(3))
        let stored = StoredPacket(
            id: 7,
            topic: letter.topic,
            payload: letter.payload,
            receivedAt: letter.receivedAt
        )
        // Still unknown: it becomes a letter again, with its own time.
        let refused = gateway.step(.command(.reingest([stored])), now: later)
        #expect(refused.answer == .success(.deadLetters(removed: 1, accepted: 0, rejected: 1)))
        #expect(refused.removedDeadLetters == [7])
        #expect(refused.deadLetters.map(\.receivedAt) == [Fixtures.start])

        var restarted = mended.makeGateway()
        let taken = restarted.step(.command(.reingest([stored])), now: later)
        #expect(taken.answer == .success(.deadLetters(removed: 1, accepted: 1, rejected: 0)))
        #expect(taken.readings.map(\.observedAt) == expected.readings.map(\.observedAt))
        #expect(taken.readings.map(\.value) == expected.readings.map(\.value))
        #expect(taken.readings.map(\.signal) == expected.readings.map(\.signal))
    }

    /// Of a packet with one bad reading, the good ones are repeats by then and only the other is
    /// new.
    @Test func aPacketTakenInAgainIsNotARepeatOfItself() throws {
        var gateway = try makeGateway()
        let payload =
            "{\"v\":1,\"boot\":\"b\",\"seq\":1,\"ts\":\"\(Fixtures.start)\","
            + "\"readings\":{\"Vehicle.Speed\":3,\"Vehicle.Warp\":9}}"
        let packet = ("vehicles/v/telemetry", payload, Fixtures.start)
        let unit = gateway.step(.packets(Fixtures.batch([packet])), now: Fixtures.start)
        #expect(unit.counts.accepted == 1 && unit.counts.rejectedTotal == 1)
        let letter = try #require(unit.deadLetters.first)
        let again = gateway.step(
            .command(
                .reingest([
                    StoredPacket(
                        id: 1,
                        topic: letter.topic,
                        payload: letter.payload,
                        receivedAt: letter.receivedAt
                    )
                ])
            ),
            now: Fixtures.start + .hours(Int64(1))
        )
        #expect(again.answer == .success(.deadLetters(removed: 1, accepted: 1, rejected: 1)))
        #expect(again.confirmations.isEmpty)
    }
}

/// A vehicle that was out of reach sends all it kept at once.
struct BacklogTests {
    @Test(arguments: [1, 40, 4_000])
    func aBacklogRaisesWhatItsNewestReadingsSay(packetsAtOnce: Int) throws {
        var desk = Desk(empty: try Fixtures.assembly())
        let packets = Fixtures.leak("v1", perDay: 3, days: 13)
        let last = try #require(packets.last).receivedAt
        for (place, packet) in packets.enumerated() {
            let arrival = last + .minutes(1) + .seconds(Int64(place / packetsAtOnce))
            var late = packet
            late.receivedAt = arrival
            desk.add(desk.gateway.step(.packets(Fixtures.batch([late])), now: arrival))
        }
        desk.wait(.minutes(10))
        #expect(desk.alerts.count == 1)
        #expect(try desk.suggestion.state == .proposed)
    }
}
