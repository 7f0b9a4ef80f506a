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
        #expect(gateway.statuses(after: nil, troubledOnly: true, limit: 9).map(\.vehicle) == ["a"])
        let back = start + .hours(Int64(31))
        let heard = gateway.step(.packets(speed("a", at: back)), now: back)
        #expect(heard.transitions.map(\.event) == ["heard"])
        #expect(gateway.silentCount == 0)
        let again = gateway.step(.tick, now: back + .days(Int64(2)))
        #expect(again.transitions.map(\.event) == ["silent_too_long", "silent_too_long"])
    }

    // MARK: Gaps

    @Test func missingNumbersAreCountedUntilTheyCome() throws {
        var gateway = try makeGateway()
        for sequence in [1, 2, 5, 9, 7] {
            let time = Fixtures.start + .minutes(Int64(sequence))
            _ = gateway.step(.packets(speed("a", sequence, at: time)), now: time)
        }
        #expect(gateway.missingPackets == 4)
        let status = try #require(gateway.statuses(after: nil, troubledOnly: true, limit: 1).first)
        #expect(status.missingPackets == 4)
        for sequence in [3, 4, 6, 8] {
            _ = gateway.step(.packets(speed("a", sequence, at: Fixtures.start)), now: gateway.now)
        }
        #expect(gateway.missingPackets == 0)
        #expect(gateway.statuses(after: nil, troubledOnly: true, limit: 1).isEmpty)
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
            mended.sources[index].mountings["new"] = Source.Mounting(vehicle: "v", wheel: 2)
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
