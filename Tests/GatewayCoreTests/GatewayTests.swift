import Decoding
import GatewayApp
import GatewayCore
import Rules
import Support
import Telemetry
import Testing
import Workshop

private typealias Packets = [(topic: String, payload: String, receivedAt: Timestamp)]

/// What a run changed, without the boundaries of its steps.
private struct Trace: Equatable {
    var readings: [Reading] = []
    var transitions: [Transition] = []
    var alerts: [Alert] = []
    var suggestions: [Suggestion] = []
    var received = 0
    var rejected = 0
    var accepted = 0

    mutating func add(_ unit: CommitUnit) {
        readings += unit.readings
        transitions += unit.transitions
        alerts += unit.alerts
        suggestions += unit.suggestions
        received += unit.counts.received
        rejected += unit.counts.rejectedTotal
        accepted += unit.counts.accepted
    }
}

private func run(_ packets: Packets, batch size: Int, _ gateway: inout Gateway) -> Trace {
    var trace = Trace()
    var rest = packets[...]
    while !rest.isEmpty {
        let part = Array(rest.prefix(size))
        rest = rest.dropFirst(size)
        trace.add(
            gateway.step(.packets(Fixtures.batch(part)), now: part.last?.receivedAt ?? gateway.now)
        )
    }
    trace.add(gateway.finish())
    return trace
}

private let profile = (
    topic: "vehicles/v1/profile",
    payload:
        "{\"v\":1,\"placard_front_kpa\":240,\"placard_rear_kpa\":240,\"station\":\"su-zhou-1\"}",
    receivedAt: Fixtures.start
)

struct GatewayTests {
    private func makeGateway() throws -> Gateway { try Fixtures.assembly().makeGateway() }

    /// A gateway with one suggestion for the leaking tyre of `v1`.
    private func withSuggestion() throws -> (Gateway, Suggestion, Trace) {
        var gateway = try makeGateway()
        let trace = run(
            [profile] + Fixtures.leak("v1", perDay: 3, days: 13),
            batch: 10,
            &gateway
        )
        let suggestion = try #require(trace.suggestions.last)
        return (gateway, suggestion, trace)
    }

    @Test func aLeakBecomesOneAlertAndOneSuggestionWithAHeldSlot() throws {
        let (gateway, suggestion, trace) = try withSuggestion()
        #expect(Set(trace.alerts.map(\.id)).count == 1)
        #expect(gateway.liveSuggestionCount == 1)
        #expect(suggestion.state == .proposed && suggestion.need.urgency == .p2)
        #expect(suggestion.need.jobs == ["tyre_check", "puncture_repair"])
        #expect(suggestion.occupancy?.kind == .hold)
        #expect(suggestion.offers.count == 3)
        #expect(suggestion.offers.first?.slot == suggestion.occupancy?.slot)
        #expect((suggestion.holdUntil ?? .distantPast) > gateway.now)
        let events = trace.transitions.map { "\($0.machine.rawValue) \($0.event)" }
        #expect(
            events.prefix(4) == [
                "alert near_threshold", "alert held", "suggestion plan", "alert planned",
            ]
        )
    }

    @Test(arguments: [1, 2, 7, 1_000])
    func batchesNeverChangeAnything(size: Int) throws {
        var packets: Packets = [profile]
        for day in 0..<16 {
            for vehicle in ["v1", "v2", "v3"] {
                packets += Fixtures.leak(
                    vehicle,
                    from: 240 - 3 * Double(day),
                    perDay: 3,
                    days: 1,
                    start: Fixtures.start + .days(Int64(day))
                )
            }
        }
        packets.sort { $0.receivedAt < $1.receivedAt }
        var one = try makeGateway()
        var other = try makeGateway()
        let expected = run(packets, batch: 5, &one)
        #expect(run(packets, batch: size, &other) == expected)
        #expect(expected.suggestions.contains { $0.version == 1 })
    }

    @Test func aRestartAtAnyStepChangesNothing() throws {
        let packets = [profile] + Fixtures.leak("v1", perDay: 3, days: 16)
        var straight = try makeGateway()
        let expected = run(packets, batch: 1, &straight)
        var gateway = try makeGateway()
        var trace = Trace()
        var kept = Kept()
        for packet in packets {
            let unit = gateway.step(.packets(Fixtures.batch([packet])), now: packet.receivedAt)
            trace.add(unit)
            keep(unit, in: &kept)
            gateway = try restart(kept, now: packet.receivedAt)
        }
        trace.add(gateway.finish())
        #expect(trace.alerts == expected.alerts)
        #expect(trace.suggestions == expected.suggestions)
        #expect(trace.transitions == expected.transitions)
    }

    /// A store in memory: what `Writer` and `Restorer` do, by record.
    private struct Kept {
        var state = RestoredState()
        var journal: [JournalUnit] = []
    }

    private func restart(_ kept: Kept, now: Timestamp) throws -> Gateway {
        var gateway = try makeGateway()
        #expect(gateway.restore(kept.state, now: now).isEmpty)
        for unit in kept.journal { gateway.recall(unit) }
        gateway.resume()
        return gateway
    }

    private func keep(_ unit: CommitUnit, in all: inout Kept) {
        all.journal.append(
            JournalUnit(
                row: Int64(all.journal.count),
                marks: unit.marks,
                readings: unit.readings
            )
        )
        let last = all.journal.count - 1
        keep(unit, row: Int64(last), in: &all.state)
    }

    private func keep(_ unit: CommitUnit, row: Int64, in kept: inout RestoredState) {
        for row in unit.vehicles {
            kept.vehicles.removeAll { $0.id == row.id }
            kept.vehicles.append(row)
        }
        for checkpoint in unit.checkpoints {
            kept.checkpoints.removeAll { $0.vehicle == checkpoint.vehicle }
            kept.checkpoints.append((checkpoint.vehicle, row, checkpoint.bytes))
        }
        for alert in unit.alerts {
            kept.alerts.removeAll { $0.id == alert.id }
            if alert.state.isLive { kept.alerts.append(alert) }
            kept.nextAlert = max(kept.nextAlert, alert.id.rawValue + 1)
        }
        for suggestion in unit.suggestions {
            kept.suggestions.removeAll { $0.id == suggestion.id }
            if suggestion.state.isLive || suggestion.state == .declined {
                kept.suggestions.append(suggestion)
            }
            kept.nextSuggestion = max(kept.nextSuggestion, suggestion.id.rawValue + 1)
        }
        for visit in unit.appointments {
            kept.appointments.removeAll { $0.id == visit.id }
            if visit.state.isLive { kept.appointments.append(visit) }
            kept.nextAppointment = max(kept.nextAppointment, visit.id.rawValue + 1)
        }
        kept.now = unit.now
        for row in unit.occupancies {
            kept.nextOccupancy = max(kept.nextOccupancy, row.occupancy.id.rawValue + 1)
        }
    }

    @Test func theAccountAddsUp() throws {
        var gateway = try makeGateway()
        let time = Fixtures.start
        let trace = run(
            [
                Fixtures.packet("v1", at: time, ["Vehicle.Speed": 3, "Nope": 1]),
                ("vehicles/v1/telemetry", "{", time), ("elsewhere", "{}", time),
                Fixtures.packet("v1", at: time, ["Vehicle.Speed": 900]), profile,
                ("vehicles/v1/profile", "[]", time),
            ],
            batch: 2,
            &gateway
        )
        #expect(trace.received == trace.accepted + trace.rejected)
        #expect(trace.accepted == 1 && trace.rejected == 5)
    }

    @Test func aRepeatedPacketIsStoredAgainForTheStoreToJudgeButMovesNothing() throws {
        var once = try makeGateway()
        var twice = try makeGateway()
        let packets = Fixtures.leak("v1", perDay: 3, days: 13)
        let expected = run(packets, batch: 1, &once)
        let doubled = run(packets.flatMap { [$0, $0] }, batch: 1, &twice)
        #expect(doubled.alerts == expected.alerts)
        #expect(doubled.suggestions == expected.suggestions)
        #expect(doubled.readings.count == 2 * expected.readings.count)
    }

    @Test func confirmationsNameTheHighestNumberWithoutAGap() throws {
        var gateway = try makeGateway()
        func confirm(_ sequence: Int) -> UInt64? {
            let packet = Fixtures.packet(
                "v1",
                sequence: sequence,
                at: Fixtures.start,
                ["Vehicle.Speed": 1]
            )
            return gateway.step(.packets(Fixtures.batch([packet])), now: Fixtures.start)
                .confirmations.last?.sequence
        }
        #expect([1, 2, 4, 3].map(confirm) == [1, 2, 2, 4])
    }

    /// What is kept as a dead letter must not hold up the numbers after it.
    @Test func aRefusedPacketDoesNotBlockConfirmations() throws {
        var gateway = try makeGateway()
        let bad = (
            topic: "vehicles/v1/telemetry",
            payload:
                "{\"v\":1,\"boot\":\"b1\",\"seq\":2,\"ts\":\"?\",\"readings\":{\"Vehicle.Speed\":1}}",
            receivedAt: Fixtures.start
        )
        let packets = [1, 3].map {
            Fixtures.packet("v1", sequence: $0, at: Fixtures.start, ["Vehicle.Speed": 1])
        }
        let unit = gateway.step(
            .packets(Fixtures.batch([packets[0], bad, packets[1]])),
            now: Fixtures.start
        )
        #expect(unit.confirmations.map(\.sequence) == [3] && unit.deadLetters.count == 1)
    }

    /// A redelivered batch of a vehicle that numbers nothing, later than the last four readings.
    @Test func aRepeatedBatchWithoutNumbersMovesNothing() throws {
        func unnumbered(_ days: Range<Int>) -> Packets {
            (days.lowerBound * 3..<days.upperBound * 3).map { step in
                Fixtures.packet(
                    "v1",
                    at: Fixtures.start + .hours(Int64(step * 8)),
                    [
                        "\(Fixtures.leftFront).Pressure": 240 - Double(step),
                        "\(Fixtures.leftFront).AirTemperature": 20,
                    ]
                )
            }
        }
        var once = try makeGateway()
        var twice = try makeGateway()
        let expected = run(unnumbered(0..<15), batch: 10, &once)
        var packets = unnumbered(0..<9)
        let late = packets.suffix(10).map { ($0.topic, $0.payload, packets[26].receivedAt) }
        packets += late
        let actual = run(packets + unnumbered(9..<15), batch: 10, &twice)
        #expect(actual.alerts == expected.alerts && actual.suggestions == expected.suggestions)
        #expect(!expected.alerts.isEmpty)
    }

    @Test func oneWildLineDoesNotCarryTheClockAway() throws {
        func line(_ time: String, _ value: Int) -> PacketBatch {
            var batch = PacketBatch()
            for (time, value) in [
                ("2026-03-01T00:00:00Z", 1), (time, value), ("2026-03-01T00:01:00Z", 2),
            ] {
                let text =
                    "{\"vehicle\":\"v\",\"signal\":\"Vehicle.Speed\",\"ts\":\"\(time)\",\"value\":\(value)}"
                batch.append(
                    topic: [UInt8](),
                    payload: Array(text.utf8),
                    receivedAt: Fixtures.start
                )
            }
            return batch
        }
        var gateway = try makeGateway()
        let unit = gateway.step(.lines(line("2036-01-01T00:00:00Z", 9)), now: gateway.now)
        #expect(unit.readings.map(\.value) == [1, 2])
        #expect(unit.counts.rejected[RejectionReason.futureTimestamp.place] == 1)
        #expect(gateway.now == Fixtures.start + .minutes(1))
    }

    /// What fell due while nothing ran happens at its own time, not at the restart.
    @Test func timersThatFellDueDuringAStopFireAtTheirOwnTime() throws {
        let packets = [profile] + Fixtures.leak("v1", perDay: 3, days: 13)
        var straight = try makeGateway()
        var stopped = try makeGateway()
        var kept = Kept()
        for packet in packets {
            _ = straight.step(.packets(Fixtures.batch([packet])), now: packet.receivedAt)
            let unit = stopped.step(.packets(Fixtures.batch([packet])), now: packet.receivedAt)
            keep(unit, in: &kept)
        }
        // Readings wait, and a hold will run out within the days of the stop.
        let later = straight.now + .days(Int64(9))
        let expected = straight.step(.tick, now: later)
        var restarted = try restart(kept, now: later)
        let actual = restarted.step(.tick, now: later)
        #expect(actual.alerts == expected.alerts)
        #expect(actual.suggestions == expected.suggestions)
        #expect(actual.transitions == expected.transitions)
        #expect(!expected.suggestions.isEmpty)
    }

    // MARK: Decisions

    private func decision(
        _ suggestion: Suggestion,
        version: Int,
        _ step: SuggestionStep
    ) -> Input {
        .command(.suggestion(suggestion.id, version: version, step, by: Actor("a")))
    }

    @Test func bookingTurnsTheHoldIntoAnAppointment() throws {
        var (gateway, suggestion, _) = try withSuggestion()
        let slot = try #require(suggestion.occupancy?.slot)
        let unit = gateway.step(
            decision(suggestion, version: suggestion.version, .book(.held)),
            now: gateway.now
        )
        #expect(unit.answer == .success(.suggestion(suggestion.id)))
        let booked = try #require(unit.suggestions.last)
        #expect(booked.state == .booked && booked.occupancy == nil)
        let visit = try #require(unit.appointments.last)
        #expect(visit.state == .confirmed && visit.slot == slot && visit.suggestion == booked.id)
        #expect(unit.occupancies.map(\.occupancy.kind) == [.appointment])
        #expect(unit.releasedOccupancies == [suggestion.occupancy?.id])
        #expect(
            unit.transitions.map { "\($0.from)>\($0.event)>\($0.to)" } == [
                "proposed>claim>claimed", "claimed>accepted>booked", ">book>confirmed",
            ]
        )
        // A second decision on it is refused.
        let again = gateway.step(
            decision(suggestion, version: booked.version, .decline(.otherTime, note: "")),
            now: gateway.now
        )
        #expect(
            again.answer == .failure(Problem(.illegalTransition))
        )
    }

    @Test func aStaleVersionIsRefusedAndSaysTheCurrentOne() throws {
        var (gateway, suggestion, _) = try withSuggestion()
        let unit = gateway.step(
            decision(suggestion, version: suggestion.version - 1, .book(.held)),
            now: gateway.now
        )
        #expect(
            unit.answer == .failure(Problem(.staleVersion, currentVersion: suggestion.version))
        )
        #expect(unit.isEmpty)
        let unknown = gateway.step(
            .command(
                .suggestion(SuggestionID(rawValue: 99), version: 1, .book(.held), by: Actor("a"))
            ),
            now: gateway.now
        )
        #expect(unknown.answer == .failure(Problem(.notFound)))
    }

    @Test func decliningMutesTheReasonUntilItGetsWorse() throws {
        var (gateway, suggestion, _) = try withSuggestion()
        let unit = gateway.step(
            decision(
                suggestion,
                version: suggestion.version,
                .decline(.notInterested, note: "call in spring")
            ),
            now: gateway.now
        )
        #expect(unit.suggestions.last?.state == .declined)
        #expect(unit.alerts.map(\.state) == [.muted])
        #expect(unit.releasedOccupancies.count == 1 && unit.occupancies.isEmpty)
        #expect(gateway.liveSuggestionCount == 0)
        // Nothing for weeks, then the same reason again: after 30 days it is proposed anew.
        let later = gateway.now + .days(Int64(29))
        let refreshed = Fixtures.leak(
            "v1",
            from: 200,
            perDay: 0.1,
            days: 1,
            start: later - .days(Int64(1))
        )
        let quiet = run(refreshed, batch: 10, &gateway)
        #expect(quiet.suggestions.isEmpty)
        let reopened = gateway.step(.tick, now: later + .days(Int64(2)))
        #expect(reopened.suggestions.contains { $0.state == .proposed && $0.version == 1 })
    }

    @Test func aDeclinedReasonThatMeetsItsLimitIsProposedAgainAtOnce() throws {
        var (gateway, suggestion, _) = try withSuggestion()
        _ = gateway.step(
            decision(suggestion, version: suggestion.version, .decline(.notInterested, note: "")),
            now: gateway.now
        )
        let start = Fixtures.start + .days(Int64(14))
        let trace = run(
            Fixtures.leak("v1", from: 178, perDay: 1, days: 2, start: start),
            batch: 1,
            &gateway
        )
        #expect(trace.transitions.contains { $0.event == "unmute" && $0.reason == "worse" })
        #expect(trace.suggestions.contains { $0.state == .proposed && $0.version == 1 })
    }

    @Test func whenTheCauseGoesSoDoesTheSuggestion() throws {
        var (gateway, suggestion, _) = try withSuggestion()
        let trace = run(
            Fixtures.leak("v1", from: 245, perDay: 0.1, days: 3, start: gateway.now),
            batch: 3,
            &gateway
        )
        let last = try #require(trace.suggestions.last)
        #expect(last.id == suggestion.id && last.state == .withdrawn && last.occupancy == nil)
        #expect(trace.alerts.last?.state == .recovered)
        #expect(gateway.calendars.allSatisfy { $0.bays.allSatisfy(\.isEmpty) })
    }

    @Test func twoAlertsOfOneVehicleAreOneVisit() throws {
        var (gateway, suggestion, _) = try withSuggestion()
        let packet = Fixtures.overdue("v1", at: gateway.now)
        let trace = run([packet], batch: 1, &gateway)
        let last = try #require(trace.suggestions.last)
        #expect(last.id == suggestion.id && last.alerts.count == 2)
        #expect(last.need.jobs.contains("service") && last.need.jobs.contains("tyre_check"))
        #expect(gateway.liveSuggestionCount == 1)
    }

    /// 60 cars, one station with three bays: no two holds ever overlap, whoever comes first.
    @Test func manyVehiclesNeverShareASlot() throws {
        var gateway = try makeGateway()
        var packets: Packets = []
        for index in 0..<60 {
            packets.append(
                Fixtures.overdue("v\(index)", at: Fixtures.start, kilometres: 1)
            )
        }
        let trace = run(packets, batch: 7, &gateway)
        let slots = trace.suggestions.compactMap(\.occupancy?.slot)
        #expect(slots.count == 60)
        for (index, slot) in slots.enumerated() {
            for other in slots[(index + 1)...] where other.bay == slot.bay {
                #expect(!slot.interval.overlaps(other.interval))
            }
        }
    }

    @Test func nobodyActsAndNothingIsHeardSoBothEnd() throws {
        var (gateway, _, _) = try withSuggestion()
        let unit = gateway.step(.tick, now: gateway.now + .days(Int64(60)))
        #expect(unit.alerts.last?.outcome == .noData)
        #expect(unit.suggestions.contains { $0.state == .expired })
        #expect(gateway.liveAlertCount == 0 && gateway.liveSuggestionCount == 0)
    }

    @Test func timeNeverGoesBackwards() throws {
        var gateway = try makeGateway()
        _ = gateway.step(.tick, now: Fixtures.start)
        let unit = gateway.step(.tick, now: Fixtures.start - .hours(1))
        #expect(gateway.now == Fixtures.start && unit.counts.clockClamped == 1)
    }
}
