import Foundation
import Support
import Testing

/// From a reading to the owner's app and back: an offer is published, the reply books the slot.
@Suite(.serialized)
struct MessageTests {
    private struct Page: Decodable {
        struct Row: Decodable {
            var state: String
            var vehicle: String
        }

        var items: [Row]
    }

    /// Lines `topic payload` of everything a vehicle hears.
    private func lines(_ listener: RunningProcess, _ topic: String) -> [(String, String)] {
        listener.output.split(separator: "\n").compactMap { line in
            let parts = line.split(separator: " ", maxSplits: 1)
            guard parts.count >= 1, parts[0].hasPrefix(topic) else { return nil }
            return (String(parts[0]), parts.count == 2 ? String(parts[1]) : "")
        }
    }

    private func customer(_ vehicle: String, channel: String) -> String {
        """
        {"name":"张伟","salutation":"先生","phone":"13812345678","channel":"\(channel)",
        "consents":["service","app"],"contact_hours":["00:00","24:00"],
        "vehicles":[{"vehicle":"\(vehicle)"}]}
        """
    }

    @Test func anOfferIsPublishedAndItsReplyBooks() async throws {
        let folder = try ScratchFolder()
        let wall = Int(Date().timeIntervalSince1970 * 1_000)
        let web = freePort()
        let broker = freePort()
        // A minute passes in a second, so that readings wait two seconds to be sorted.
        let begin = wall - 86_400_000
        let sms = folder.path("sms.jsonl")
        let process = try RunningProcess(
            Repository.product("gateway").path,
            ["serve", "--config", Repository.config, "--catch-up", "\(begin),\(wall),60"],
            environment: [
                "GATEWAY_STORE_PATH": folder.path("gateway.sqlite"), "GATEWAY_WEB_PORT": "\(web)",
                "GATEWAY_BROKER_PORT": "\(broker)", "GATEWAY_MESSAGES_FILE": sms,
                "GATEWAY_BROKER_EMBEDDED_DATA": folder.path("mosquitto"),
            ],
            folder: folder
        )
        let gateway = try GatewayProcess.attached(to: process, web: web, broker: broker, folder)
        try await gateway.ready()
        for (vehicle, channel) in [("v1", "app"), ("v2", "sms")] {
            let put = try await gateway.request(
                "PUT",
                "/api/v1/customers/C-\(vehicle)",
                body: customer(vehicle, channel: channel)
            )
            #expect(put.status == 201, "\(put.body)")
        }
        let listener = try RunningProcess(
            "/usr/bin/mosquitto_sub",
            ["-h", "127.0.0.1", "-p", "\(broker)", "-q", "1", "-v", "-t", "vehicles/v1/#"],
            folder: folder
        )
        func time(_ seconds: Double) -> String {
            ISO8601DateFormatter().string(
                from: Date(timeIntervalSince1970: Double(begin) / 1_000 + seconds)
            )
        }
        let (earlier, time) = (time(200), time(300))
        for vehicle in ["v1", "v2"] {
            try await publish(
                Fixtures.overduePayload(from: earlier, to: time),
                to: "vehicles/\(vehicle)/telemetry",
                broker,
                folder
            )
        }
        let offer = try await eventually("an offer:\n\(process.output)") {
            lines(listener, "vehicles/v1/offer/").first?.1
        }
        let alert = try #require(lines(listener, "vehicles/v1/alert/").first)
        #expect(alert.1.contains("张伟先生您好") && !alert.1.contains("13812345678"))
        let id = try #require(offer.firstMatch(of: /"id":(\d+)/)?.output.1)
        let nonce = try #require(offer.firstMatch(of: /"nonce":"([^"]+)"/)?.output.1)

        // A guess books nothing; the word that came with the offer does.
        for word in ["guess", String(nonce)] {
            try await publish(
                "{\"offer\":\(id),\"nonce\":\"\(word)\",\"answer\":\"accept\"}",
                to: "vehicles/v1/reply",
                broker,
                folder
            )
        }
        _ = try await eventually("the booked visit:\n\(process.output)") {
            let body = try await gateway.request("GET", "/api/v1/suggestions?state=booked").body
            let page = try JSONDecoder().decode(Page.self, from: Data(body.utf8))
            return page.items.map(\.vehicle) == ["v1"] ? true : nil
        }
        let notice = try await eventually("the notice") {
            lines(listener, "vehicles/v1/notice/").first?.1
        }
        #expect(notice.contains("您的预约已确认"))

        let written = try await eventually("two messages in the file") {
            let text = (try? String(contentsOfFile: sms, encoding: .utf8)) ?? ""
            return text.split(separator: "\n").count == 2 ? text : nil
        }
        #expect(written.contains("\"to\":\"13812345678\"") && written.contains("已为您预留"))
        process.signal(SIGTERM)
        #expect(try await process.exit() == 0)
    }

    private func publish(
        _ payload: String,
        to topic: String,
        _ broker: Int,
        _ folder: ScratchFolder
    ) async throws {
        let code = try await RunningProcess(
            "/usr/bin/mosquitto_pub",
            ["-h", "127.0.0.1", "-p", "\(broker)", "-q", "1", "-t", topic, "-m", payload],
            folder: folder
        ).exit()
        #expect(code == 0)
    }
}
