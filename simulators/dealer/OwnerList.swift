import Telemetry

/// Owners of the simulated cars: one each, every sixth with two cars.
struct OwnerList {
    private static let surnames = ["王", "李", "张", "刘", "陈", "杨", "赵", "黄", "周", "吴"]
    private static let givenNames = ["伟", "芳", "敏", "静", "强", "磊", "洋", "艳", "军", "杰", "娟", "涛"]
    private static let englishNames = [
        "Anna Berger", "Paul Huber", "Maria Gruber", "Thomas Wagner", "Eva Steiner", "Jan Moser",
        "Lena Mayer", "David Bauer", "Sophie Fuchs", "Lukas Hofer", "Julia Wolf",
    ]

    let vehicles: Int
    /// A BCP 47 tag: `zh-Hans` or `en`.
    let language: String

    var lines: [String] {
        let header =
            "customer,name,salutation,phone,language,channel,consents,vehicle,service_on,insurance_on"
        return [header] + (0..<vehicles).map(line)
    }

    private func line(of car: Int) -> String {
        // The seventh car of seven belongs to the owner of the sixth.
        let owner = car % 7 == 6 ? car - 1 : car
        let isMale = owner % 2 == 0
        let isChinese = language == "zh-Hans"
        let name =
            isChinese
            ? OwnerList.surnames[owner % 10] + OwnerList.givenNames[owner * 5 % 12]
            : OwnerList.englishNames[owner % 11]
        let salutation = isChinese ? (isMale ? "先生" : "女士") : (isMale ? "Mr" : "Ms")
        let channel = owner % 9 == 4 ? "app" : "phone"
        let vehicle = "sim-\(padded(Int64(car), width: 4))"
        let phone = "138\(padded(Int64(owner), width: 8))"
        return [
            "C\(owner + 1)", name, salutation, phone, language, channel, "service;app",
            vehicle, "", "",
        ].joined(separator: ",")
    }
}
