"""The sentences that each step of a convolution is told in: (English, Chinese) by key."""

STEPS: dict[str, tuple[str, str]] = {
    "start": ("The accumulator starts with what the windows and samples not shown contribute.",
              "累加器从此处未显示的窗口和样本的贡献开始。"),
    # -- forward -----------------------------------------------------------------------------------
    "forward.window": ("Window ({i},{j}) reads {rows}, {cols}.",
                       "窗口 ({i},{j}) 读取{rows}、{cols}。"),
    "forward.sum": ("{expr} = {sum}.", "{expr} = {sum}。"),
    "forward.channel": ("In input channel {c}: {expr} = {sum}.", "输入通道 {c}：{expr} = {sum}。"),
    "forward.channels": ("Over the {count} channels: {expr} = {sum}.",
                         "{count} 个通道之和：{expr} = {sum}。"),
    "forward.bias": ("Plus the bias {b}: {y}.", "加上偏置 {b}：{y}。"),
    "forward.rule": ("Multiply and add; the kernel isn't turned.", "相乘再相加；卷积核不旋转。"),
    # -- matrix ------------------------------------------------------------------------------------
    "matrix.column": ("Column {p} of cols is window ({i},{j}), laid out as {count} numbers.",
                      "cols 的第 {p} 列就是窗口 ({i},{j})，摊成 {count} 个数。"),
    "matrix.product": ("Weight row {o} times this column = {sum}.",
                       "权重的第 {o} 行乘以这一列 = {sum}。"),
    "matrix.rule": ("cols repeats a cell once for every window that reads it: {cells} cells become "
                    "{entries} entries.",
                    "一个格子被几个窗口读取，就在 cols 里重复几次："
                    "{cells} 个格子变成 {entries} 个元素。"),
    # -- dW ----------------------------------------------------------------------------------------
    "dw.window": ("G[{i},{j}] = {g} multiplies what window ({i},{j}) read: "
                  "dW += {g}·{name}[{rows}, {cols}].",
                  "G[{i},{j}] = {g} 乘以窗口 ({i},{j}) 看到的内容："
                  "dW += {g}·{name}[{rows}, {cols}]。"),
    "dw.tap": ("Tap ({kh},{kw}) read {x}: {before} → {after}, contribution {k} of {n}.",
               "权重位置 ({kh},{kw}) 看到 {x}：{before} → {after}，第 {k} 个贡献，共 {n} 个。"),
    "dw.rule": ("Every window uses every tap, so dW sums over all windows and samples; the kernel "
                "isn't turned here either.",
                "每个窗口都用到每个权重位置，所以对所有窗口和样本求和；这里卷积核同样不旋转。"),
    # -- dX, window by window ----------------------------------------------------------------------
    "dx.window": ("G[{i},{j}] = {g} travels back through the {taps} taps: "
                  "{name}[{rows},{cols}] += {g}·w.",
                  "G[{i},{j}] = {g} 沿 {taps} 个权重位置返回：{name}[{rows},{cols}] += {g}·w。"),
    "dx.windows": ("At ({i},{j}) G has one number per output channel, and each travels back "
                   "through its own kernel: {name}[{rows},{cols}] += {expr}.",
                   "在 ({i},{j}) 处，每个输出通道各有一个 G，各自沿自己的卷积核返回："
                   "{name}[{rows},{cols}] += {expr}。"),
    "dx.cell": ("Cell ({r},{q}): {before} → {after}, contribution {k} of {n}.",
                "格子 ({r},{q})：{before} → {after}，第 {k} 个贡献，共 {n} 个。"),
    "dx.overlap": ("Windows overlap, so we add; assigning would keep only the last.",
                   "窗口有重叠，所以要累加；若用赋值则只剩最后一个。"),
    "dx.apart": ("These windows do not overlap, so each cell gets at most one contribution.",
                 "这些窗口互不重叠，每个格子至多得到一个贡献。"),
    "dx.crop": ("Last, the padding is cut off: dX = dXpad[{rows}, {cols}]. Padding is a constant, "
                "so its gradient is not needed.",
                "最后裁掉填充：dX = dXpad[{rows}, {cols}]。填充是常数，不需要它的梯度。"),
    "dx.give_back": ("Last, the border is folded back: each padding cell is a copy of a pixel "
                     "({mode}), so its gradient is added to that pixel.",
                     "最后把边界折回：每个填充格是某个像素的副本（{mode}），"
                     "它的梯度要加回那个像素。"),
    # -- dX, cell by cell --------------------------------------------------------------------------
    "gather.which": ("Which windows read cell ({r},{q})? {list}.",
                     "哪些窗口读过格子 ({r},{q})？{list}。"),
    "gather.pair": ("({i},{j}) through tap ({kh},{kw})", "窗口 ({i},{j}) 经权重位置 ({kh},{kw})"),
    "gather.sum": ("G·w: {expr} = {sum}.", "G·w：{expr} = {sum}。"),
    "gather.turn": ("As the window moves right the tap moves left: a full correlation of G with "
                    "the kernel turned 180°.",
                    "窗口右移，权重位置就左移：这正是 G 与旋转 180° 的卷积核的全相关。"),
    "gather.stride": ("With stride {s} a window starts only every {s} cells, hence the zeros "
                      "between the G cells.",
                      "步幅为 {s} 时，每隔 {s} 格才开始一个窗口，所以 G 的格子之间插入了零。"),
    "gather.none": ("Which windows read cell ({r},{q})? None, so its gradient is 0.",
                    "哪些窗口读过格子 ({r},{q})？没有，所以它的梯度为 0。"),
    # -- db ----------------------------------------------------------------------------------------
    "db.add": ("G[{i},{j}] = {g}: db goes {before} → {after}, contribution {k} of {n}.",
               "G[{i},{j}] = {g}：db 由 {before} → {after}，第 {k} 个贡献，共 {n} 个。"),
    "db.rule": ("The bias was added to every output cell with factor 1, so db is the sum of G, not "
                "its mean.",
                "偏置以系数 1 加到每个输出格，所以 db 是 G 的总和，而不是平均。"),
    # -- borders -----------------------------------------------------------------------------------
    "borders.coverage": (
        "Windows that read cell ({r},{q}): {low}; cell ({r2},{q2}): {high}. With all weights and "
        "all G equal to 1, dX would be exactly these counts.",
        "格子 ({r},{q}) 被 {low} 个窗口读取，格子 ({r2},{q2}) 被 {high} 个读取："
        "若权重与 G 全为 1，dX 恰好就是这些次数。"),
    "borders.even": ("Every cell is read by the same number of windows ({low}), so no cell has "
                     "more influence than another.",
                     "每个格子都被 {low} 个窗口读取，所以各个格子的影响一样大。"),
    "borders.pad_helps": ("With padding, windows extend over the edge, so border pixels are read "
                          "more often than without it.",
                          "填充让窗口伸出边缘，边上的像素因此被读得更多。"),
    "borders.no_pad": ("Without padding, border pixels are read less often; the padding mode makes "
                       "no difference.",
                       "没有填充时，边上的像素被读得少；没有填充，四种填充方式也就没有区别。"),
    "borders.remainder": (
        "Stride {s} and {span} free places leave a remainder of {left}: no window reads {what}. "
        "Its gradient is 0, and dX still has the shape of x.",
        "步幅 {s} 除 {span} 个可移动位置余 {left}：{what}从未被读取。"
        "它的梯度为 0，而 dX 的形状仍与 x 相同。"),
    "borders.drop": ("Padding cell ({r},{q}) received {value}. It is a constant 0, not a pixel, so "
                     "its gradient is dropped.",
                     "填充格 ({r},{q}) 收到 {value}。它是常数 0 而不是像素，所以这个梯度被丢弃。"),
    "borders.copy": ("Padding cell ({r},{q}) is a copy of pixel ({r2},{q2}) ({mode}), so the "
                     "{value} it received is added there: {before} → {after}.",
                     "填充格 ({r},{q}) 是像素 ({r2},{q2}) 的副本（{mode}），"
                     "所以它收到的 {value} 加到那里：{before} → {after}。"),
}
