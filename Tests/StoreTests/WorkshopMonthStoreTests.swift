import GatewayApp
import GatewayCore
import Support
import Telemetry
import Testing

@testable import Store

struct WorkshopMonthStoreTests {
    private let folder: ScratchFolder
    private let assembly: Assembly

    init() throws {
        folder = try ScratchFolder()
        assembly = try Fixtures.assembly()
    }

    private func open() throws -> (GatewayStore, Writer) {
        let store = try GatewayStore(path: folder.path("a.sqlite"), durability: .scratch)
        return (
            store,
            try Writer(store: store, catalogue: assembly.catalogue, stations: assembly.stations)
        )
    }

    /// The same month without a restart: the same steps, in the same order.
    private func undisturbed(_ seed: UInt64) throws -> [String: Int] {
        var month = try WorkshopMonth(seed: seed, vehicles: 12)
        try month.run()
        return month.events
    }

    /// Every few hundred steps the gateway is stopped and another goes on from the store: what may
    /// not happen still does not, the schema refuses nothing, and the history stays whole.
    @Test(arguments: [UInt64(3), 7, 11])
    func aMonthWithRestartsIsStillInOrder(seed: UInt64) throws {
        var (store, writer) = try open()
        var month = try WorkshopMonth(seed: seed, vehicles: 12)
        var steps = 0
        try month.run { unit, gateway in
            _ = try writer.commit(unit)
            steps += 1
            guard steps % 300 == 0 else { return }
            let now = gateway.now
            try store.close()
            (store, writer) = try open()
            var recall: Recall
            (gateway, recall) = try assembly.start(store, writer, now: now)
            while try recall.step(&gateway) {}
            #expect(recall.unreadableCount == 0)
        }
        #expect(steps > 1_000)
        #expect(month.faults.isEmpty, "\(month.faults.prefix(3))")
        #expect(month.events["suggestion accepted"] != nil)
        #expect(try store.verifyAudit().broken == nil)
        let expected = try undisturbed(seed)
        let differing = Set(month.events.keys).union(expected.keys).sorted().filter {
            month.events[$0] != expected[$0]
        }
        #expect(
            differing.isEmpty,
            "\(differing.map { "\($0): \(month.events[$0] ?? 0) of \(expected[$0] ?? 0)" })"
        )
    }
}
