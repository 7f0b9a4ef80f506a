import Customers
import Telemetry
import Testing

struct CustomersTests {
    /// Plates, names and numbers, and the shortest of each.
    @Test(arguments: [
        ("苏E·12845", "苏E·**8**"), ("W-12345X", "W-***4**"), ("苏E", "苏E"), ("A", "*"), ("", ""),
    ])
    func platesShowOneCharacter(plate: String, masked: String) {
        #expect(Masking.plate(plate) == masked)
    }

    @Test func numbersAndNamesShowTheirEnds() {
        #expect(Masking.vin("LSVAA4182E2123456") == "LSV**********3456")
        #expect(Masking.phone("13812345678") == "138****5678")
        #expect(Masking.phone("12345") == "***45")
        #expect(Masking.phone("1") == "*")
        #expect(Masking.name("张伟") == "张*" && Masking.name("Anna Huber") == "A*")
    }

    @Test func aDraftSaysWhereItIsWrong() {
        var draft = CustomerDraft()
        #expect(draft.complaint == nil)
        draft.profile.phone = "call me"
        #expect(draft.complaint?.pointer == "/phone")
        draft.profile.phone = "+43 1 234"
        draft.profile.contactFromMinute = 600
        #expect(draft.complaint?.pointer == "/contact_hours")
        draft.profile.contactToMinute = 1_080
        draft.vehicles = [OwnedVehicle(vehicle: "v/1")]
        #expect(draft.complaint?.pointer == "/vehicles/0/vehicle")
        draft.vehicles = [OwnedVehicle(vehicle: "v1"), OwnedVehicle(vehicle: "v1")]
        #expect(draft.complaint?.pointer == "/vehicles")
        draft.vehicles = [OwnedVehicle(vehicle: "v1")]
        draft.dueItems = [DueItem(kind: .service, vehicle: "v1", on: nil, kilometres: nil)]
        #expect(draft.complaint?.pointer == "/due_items/0")
        draft.dueItems = [
            DueItem(
                kind: .licence,
                vehicle: nil,
                on: CivilDate(iso8601: "2027-02-28"),
                kilometres: nil
            )
        ]
        #expect(draft.complaint == nil)
        #expect(CivilDate(iso8601: "2027-02-29") == nil)
        draft.profile.note = String(repeating: "x", count: 201)
        #expect(draft.complaint?.pointer == "/note")
    }
}
