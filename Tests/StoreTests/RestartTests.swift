import Foundation
import GRDB
import GatewayApp
import Support
import Telemetry
import Testing
import Workshop

@testable import GatewayCore
@testable import Rules
@testable import Store

/// What a gateway knows after it was killed, beside the readings themselves.
struct RestartTests {
    private let folder: ScratchFolder
    private let assembly: Assembly

    init() throws {
        folder = try ScratchFolder()
        assembly = try Fixtures.assembly()
    }

    /// A gateway on the store as a start finds it.
    private final class House {
        let store: GatewayStore
        let writer: Writer
        var gateway: Gateway
        let unreadable: Int
        private var wanted: [VehicleID] = []

        init(_ folder: ScratchFolder, _ assembly: Assembly) throws {
            store = try GatewayStore(path: folder.path("a.sqlite"), durability: .scratch)
            writer = try Writer(
                store: store,
                catalogue: assembly.catalogue,
                stations: assembly.stations
            )
            var (gateway, recall) = try assembly.start(store, writer, now: Fixtures.start)
            while try recall.step(&gateway) {}
            unreadable = recall.unreadableCount
            self.gateway = gateway
        }

        func take(_ batch: PacketBatch) throws -> CommitReceipt {
            let now = batch.packets.map(\.receivedAt).max() ?? gateway.now
            let unit = gateway.step(.packets(batch), now: now, checkpointing: wanted)
            let receipt = try writer.commit(unit)
            wanted = receipt.wanted
            return receipt
        }

        func restarted(_ folder: ScratchFolder, _ assembly: Assembly) throws -> House {
            try store.close()
            return try House(folder, assembly)
        }
    }

    // MARK: Deliveries

    private let topic = "ovms/u/car/metric/v/b/12v/voltage"

    private func message(
        _ identifier: UInt16,
        _ payload: String = "12.6",
        minute: Int64,
        isAgain: Bool = false
    ) -> PacketBatch {
        Fixtures.delivery(
            topic,
            payload,
            identifier: identifier,
            isAgain: isAgain,
            receivedAt: Fixtures.start + .minutes(minute)
        )
    }

    /// A value without a time, committed but not acknowledged before the crash, is stored once.
    @Test func aValueWithoutATimeIsNotStoredTwice() throws {
        var house = try House(folder, assembly)
        #expect(try house.take(message(7, minute: 0)).stored == 1)
        house = try house.restarted(folder, assembly)
        let again = try house.take(message(7, minute: 5, isAgain: true))
        #expect((again.stored, again.duplicate) == (0, 1))
        // The same value under another number, or a new one under the same, is a value of its own.
        #expect(try house.take(message(8, minute: 6)).stored == 1)
        #expect(try house.take(message(7, minute: 7)).stored == 1)
        // Never committed: it is delivered again all the same, and new.
        #expect(try house.take(message(9, minute: 8, isAgain: true)).stored == 1)
        #expect(try house.take(message(7, "12.4", minute: 9, isAgain: true)).stored == 1)
        // And once more: what came again is remembered as well.
        house = try house.restarted(folder, assembly)
        #expect(try house.take(message(9, minute: 20, isAgain: true)).duplicate == 1)
    }

    @Test func deliveriesAreRememberedUpToTheLimit() throws {
        var house = try House(folder, assembly)
        let count = Limits.deliveriesMax + 1
        var batch = PacketBatch()
        for number in 1...count {
            batch.append(
                topic: Array(topic.utf8),
                payload: Array("12.6".utf8),
                receivedAt: Fixtures.start + .seconds(Int64(number)),
                identifier: UInt16(number)
            )
        }
        #expect(try house.take(batch).stored == count)
        for _ in 0..<2 {
            let kept = try house.store.pool.read {
                try Int.fetchOne($0, sql: "SELECT count(*) FROM delivery")
            }
            #expect(kept == Limits.deliveriesMax)
            #expect(try house.take(message(2, minute: 200, isAgain: true)).duplicate == 1)
            #expect(
                try house.take(message(UInt16(count), minute: 200, isAgain: true)).duplicate == 1
            )
            house = try house.restarted(folder, assembly)
        }
        // The first has left.
        #expect(try house.take(message(1, minute: 201, isAgain: true)).stored == 1)
    }

    // MARK: Checkpoints

    /// Checkpoints that do not read any more cost no trend: the store has the readings.
    @Test(arguments: [true, false])
    func trendsAreLearntAgainFromTheStore(isSealed: Bool) throws {
        var house = try House(folder, assembly)
        let leak = Fixtures.leak("v", perDay: 3, days: 13)
        for packet in leak { _ = try house.take(Fixtures.batch([packet])) }
        let vehicle = VehicleID(index: 0)
        if isSealed { house.store.open.withLock { $0.want([vehicle]) } }
        _ = try house.writer.commit(
            house.gateway.step(
                .tick,
                now: house.gateway.now + .minutes(5),
                checkpointing: [vehicle]
            )
        )
        let known = forecasts(house.gateway)
        let confirmed = house.gateway.confirmations
        #expect(known.contains { $0.hasSuffix("true") })
        let alerts = house.gateway.liveAlertCount
        #expect(alerts > 0)
        // Another layout of the rules' part; the part before it still reads.
        try house.store.pool.write { database in
            let state = try #require(
                try Data.fetchOne(database, sql: "SELECT state FROM checkpoint")
            )
            var bytes = Array(state.dropLast(CheckSum.bytes))
            let place = try #require(
                bytes.indices.last { bytes[$0...].starts(with: rulesPart(house.gateway)) }
            )
            bytes[place] = 1
            CheckSum.append(to: &bytes)
            try database.execute(
                sql: "UPDATE checkpoint SET state = ?",
                arguments: [Data(bytes)]
            )
        }
        house = try house.restarted(folder, assembly)
        #expect(house.unreadable == 1)
        // The last reading waits for its neighbours once more.
        _ = try house.writer.commit(house.gateway.step(.tick, now: house.gateway.now))
        #expect(forecasts(house.gateway) == known)
        #expect(house.gateway.confirmations == confirmed)
        #expect(house.gateway.liveAlertCount == alerts)
        // The alert goes on; it is not raised a second time.
        let next = Fixtures.leak("v", perDay: 3, days: 14).suffix(3)
        for packet in next { _ = try house.take(Fixtures.batch([packet])) }
        #expect(house.gateway.liveAlertCount == alerts)
        // A damaged one is no worse.
        try house.store.pool.write {
            try $0.execute(sql: "UPDATE checkpoint SET state = zeroblob(40)")
        }
        house = try house.restarted(folder, assembly)
        #expect(house.unreadable == 1)
        #expect(forecasts(house.gateway).count == known.count)
    }

    /// What an earlier build wrote of a vehicle is read by this one: a key that came since must not be
    /// asked for, or a gateway does not start after an upgrade.
    @Test func whatEarlierBuildsKnewOfAVehicleIsRead() throws {
        let body = """
            {"facts":{"account":3,"allowsOffers":false,"allowsService":true,"dueItems":[]},
            "recommendations":[],"settled":[],"told":[]}
            """
        let work = try BookingRows.value(VehicleWork.self, body)
        #expect(work.facts.account == 3 && work.facts.allowsService && work.settled.isEmpty)
    }

    /// The rules' part of a vehicle's checkpoint, as it begins: version and trip.
    private func rulesPart(_ gateway: Gateway) -> [UInt8] {
        var writer = ByteWriter()
        gateway.engine.encode(gateway.vehicles[0].rules, into: &writer)
        return Array(writer.bytes.prefix(20))
    }

    private func forecasts(_ gateway: Gateway) -> [String] {
        let state = gateway.vehicles[0].rules
        let forecasts = gateway.engine.forecasts(now: gateway.now, state)
        return zip(forecasts, state.parts).map { forecast, part in
            let evidence = gateway.engine.event(
                .refreshed,
                forecast.slot,
                gateway.now,
                part,
                state,
                state.attentions[forecast.slot]
            ).evidence
            return "\(forecast.slot) \(evidence.level) \(evidence.slopePerDay) "
                + "\(evidence.readings) \(forecast.middle != nil)"
        }
    }

    // MARK: Holds

    /// The slot at opening is held for minutes at a time, all night: the row says until when.
    @Test func aLengthenedHoldIsRestored() throws {
        var house = try House(folder, assembly)
        let leak = Fixtures.leak("v1", perDay: 0.1, days: 11)
        let nail = Fixtures.leak(
            "v1",
            from: 215,
            perDay: 60,
            days: 2,
            start: Fixtures.start + .days(Int64(11))
        )
        for packet in leak + nail { _ = try house.take(Fixtures.batch([packet])) }
        // 22:00 in Suzhou.
        let evening = Fixtures.start + .days(Int64(13)) + .hours(14)
        _ = try house.writer.commit(house.gateway.step(.tick, now: evening))
        let before = try #require(house.gateway.suggestions.values.first)
        for _ in 0..<2 {
            let until = try #require(house.gateway.suggestions[before.id]?.holdUntil)
            _ = try house.writer.commit(house.gateway.step(.tick, now: until))
            let kept = try #require(house.gateway.suggestions[before.id])
            #expect(kept.version == before.version && kept.occupancy == before.occupancy)
            let expires = try house.store.pool.read {
                try Int64.fetchOne($0, sql: "SELECT expires_ms FROM occupancy")
            }
            #expect(expires == kept.holdUntil?.milliseconds)
            house = try house.restarted(folder, assembly)
            #expect(house.gateway.suggestions[before.id] == kept)
        }
    }
}
