import GatewayCore
import Store
import Support
import Telemetry
import Testing

@testable import GatewayApp

/// Commits beside the next step of a replay.
struct CommitterTests {
    private let folder: ScratchFolder
    private let assembly: Assembly

    init() throws {
        folder = try ScratchFolder()
        assembly = try Fixtures.assembly()
    }

    /// A commit that fails is told to the one who waits for it, and the next one is a commit again.
    @Test func aCommitThatFailsIsToldAndTheNextIsTaken() throws {
        let store = try GatewayStore(path: folder.path("a.sqlite"), durability: .scratch)
        let committer = Committer(
            try Writer(store: store, catalogue: assembly.catalogue, stations: assembly.stations)
        )
        defer { committer.close() }
        var gateway = assembly.makeGateway()
        var units: [CommitUnit] = []
        for packet in Fixtures.leak("v1", perDay: 3, days: 13) {
            units.append(
                gateway.step(.packets(Fixtures.batch([packet])), now: packet.receivedAt)
            )
        }
        var broken = try #require(units.first { !$0.alerts.isEmpty })
        broken.alerts[0].vehicle = VehicleID(index: 7)
        #expect(throws: StoreError.self) {
            try Committer.wait(for: committer.commit(broken))
        }
        var stored = 0
        for unit in units { stored += try Committer.wait(for: committer.commit(unit)).stored }
        #expect(stored == units.reduce(0) { $0 + $1.readings.count })
    }
}
