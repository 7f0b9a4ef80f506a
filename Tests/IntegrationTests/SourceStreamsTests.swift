import ConfigFiles
import Foundation
import Support
import Telemetry
import Testing

/// The shipped sources against a live gateway: every example of theirs, published by mosquitto.
struct SourceStreamsTests {
    private struct Page: Decodable {
        struct Item: Decodable { var value: Double }
        var items: [Item]
    }

    private let folder: ScratchFolder

    init() throws {
        folder = try ScratchFolder()
    }

    @Test func everyShippedStreamEndsInItsSignalsAndUnits() async throws {
        let assembly = try Fixtures.assembly()
        let examples = assembly.sourceExamples.filter { !$0.gives.isEmpty }
        #expect(Set(examples.map(\.file)).count == assembly.sources.count)
        let gateway = try GatewayProcess(folder: folder)
        try await gateway.ready()
        for example in examples {
            try await gateway.publish(example.payload, to: example.topic, folder: folder)
        }
        let expected = examples.map(\.gives.count).reduce(0, +)
        _ = try await eventually("\(expected) readings in the account") {
            await gateway.metric("gateway_readings_received_total") == expected ? true : nil
        }
        for given in examples.flatMap(\.gives) {
            let path = assembly.catalogue[given.signal].path
            let answer = try await gateway.request(
                "GET",
                "/api/v1/vehicles/\(given.vehicle)/readings?signal=\(path)&from=2026-01-01T00:00:00Z"
            )
            #expect(answer.status == 200, "\(given.vehicle) \(path)")
            let page = try JSONDecoder().decode(Page.self, from: Data(answer.body.utf8))
            #expect(
                page.items.contains { abs($0.value - given.value) <= 1e-4 * max(1, given.value) },
                "\(given.vehicle) \(path) \(answer.body)"
            )
        }
        // What no source maps is told by topic.
        try await gateway.publish("{\"online\":true}", to: "wican/a0b1/status", folder: folder)
        _ = try await eventually("an ignored topic") {
            let health = try? await gateway.request("GET", "/api/v1/health").body
            return health?.contains("\"topic\":\"wican/a0b1/status\"") ?? false ? true : nil
        }
        let listing = try RunningProcess(
            Repository.product("gateway").path,
            ["sources", "ignored", "--url", "http://127.0.0.1:\(gateway.web)"],
            folder: folder
        )
        #expect(try await listing.exit() == 0)
        #expect(listing.output.contains("wican   wican/a0b1/status   1 times"))
        #expect(listing.output.contains("{\"online\":true}"))
        gateway.process.signal(SIGTERM)
        #expect(try await gateway.process.exit() == 0)
    }
}
