import Crypto
import Foundation
import Support
import Testing

/// A program that is told of what happens, by a real gateway over real HTTP.
@Suite(.serialized)
struct WebhookTests {
    private struct Webhook: Decodable {
        var id: Int
        var secret: String?
        var failures: Int
        var lastError: String?

        enum CodingKeys: String, CodingKey {
            case id, secret, failures
            case lastError = "last_error"
        }
    }

    private struct Page: Decodable {
        var items: [Webhook]
    }

    @Test func aProgramIsToldInOrderSignedAndAgainUntilItAnswers() async throws {
        let folder = try ScratchFolder()
        let gateway = try GatewayProcess(folder: folder)
        try await gateway.ready()
        let program = WebhookProgram()
        let server = Task { try await program.run() }
        defer { server.cancel() }
        let port = try await eventually("the program") { program.boundPort }
        func add(_ body: String) async throws -> GatewayProcess.Answer {
            try await gateway.request("POST", "/api/v1/webhooks", body: body)
        }
        let far = try await add("{\"url\":\"http://example.org/x\",\"events\":[\"alert.*\"]}")
        #expect(far.status == 422 && far.body.contains("https"))
        let odd = try await add("{\"url\":\"https://example.org/x\",\"events\":[\"mood.*\"]}")
        #expect(odd.status == 422 && odd.body.contains("suggestion.*"))
        let form = try await add(
            "{\"url\":\"https://example.org/x\",\"events\":[\"alert.*\"],\"format\":\"xml\"}"
        )
        #expect(form.status == 422 && form.body.contains("gateway or cloudevents"))
        let made = try await add(
            "{\"url\":\"http://127.0.0.1:\(port)/told\",\"events\":[\"customer.vehicle_left\"]}"
        )
        #expect(made.status == 201, "\(made.body)")
        let webhook = try JSONDecoder().decode(Webhook.self, from: Data(made.body.utf8))
        let secret = try #require(webhook.secret)

        // Two cars get new owners; what else happens is of no interest.
        for (customer, vehicles) in [
            ("C1", "[{\"vehicle\":\"v1\"},{\"vehicle\":\"v2\"}]"),
            ("C2", "[{\"vehicle\":\"v1\"}]"), ("C3", "[{\"vehicle\":\"v2\"}]"),
        ] {
            let put = try await gateway.request(
                "PUT",
                "/api/v1/customers/\(customer)",
                body: "{\"name\":\"张伟\",\"vehicles\":\(vehicles)}"
            )
            #expect(put.status == 201, "\(put.body)")
        }
        // Refused, sent again after ten seconds, and then the next.
        let told = try await eventually("three deliveries", within: 60) {
            program.deliveries.count >= 3 ? program.deliveries : nil
        }
        #expect(told.count == 3 && told[0].body == told[1].body && told[1].body != told[2].body)
        #expect(told.allSatisfy { $0.body.contains("\"type\":\"customer.vehicle_left\"") })
        #expect(told.allSatisfy { !$0.body.contains("张") })
        let key = try #require(Data(base64Encoded: String(secret.dropFirst("whsec_".count))))
        for delivery in told {
            let id = try #require(delivery.headers["webhook-id"])
            let time = try #require(delivery.headers["webhook-timestamp"])
            let code = HMAC<SHA256>.authenticationCode(
                for: Data("\(id).\(time).\(delivery.body)".utf8),
                using: SymmetricKey(data: key)
            )
            #expect(
                delivery.headers["webhook-signature"] == "v1,\(Data(code).base64EncodedString())"
            )
        }
        let list = try await gateway.request("GET", "/api/v1/webhooks").body
        let page = try JSONDecoder().decode(Page.self, from: Data(list.utf8))
        #expect(page.items.map(\.id) == [webhook.id] && page.items[0].secret == nil)
        let removed = try await gateway.request("DELETE", "/api/v1/webhooks/\(webhook.id)")
        #expect(removed.status == 204)
        gateway.process.signal(SIGTERM)
        #expect(try await gateway.process.exit() == 0)
    }
}
