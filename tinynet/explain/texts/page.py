"""The texts of the page about a convolution, and of the graph: (English, Chinese) by key."""

PAGE: dict[str, tuple[str, str]] = {
    # -- frame -------------------------------------------------------------------------------------
    "title": ("A convolution, forward and backward", "卷积：前向与反向"),
    "panels": ("Panels", "面板"),
    "modes": ("What to watch", "看什么"),
    "mode.forward": ("Forward", "前向"),
    "mode.matrix": ("Matrix product", "矩阵乘法"),
    "mode.dw": ("dW: weights", "dW：权重"),
    "mode.dx": ("dX: each output pushes back", "dX：每个输出往回推"),
    "mode.dx_gather": ("dX: each input collects", "dX：每个输入来收集"),
    "mode.db": ("db: bias", "db：偏置"),
    "mode.borders": ("Borders", "边界"),
    "mode.dw_gather": ("dW: G slides over x as a kernel", "dW：以 G 为核在 x 上滑动"),
    # the buttons: what is computed, and how; the second part is left out where space is short
    "tab.forward": ("y", "y"), "sub.forward": ("forward", "前向"),
    "tab.matrix": ("W·cols", "W·cols"), "sub.matrix": ("as matrices", "矩阵乘法"),
    "tab.dw": ("dW", "dW"), "sub.dw": ("window by window", "逐个窗口"),
    "tab.dx": ("dX push", "dX 推回"), "sub.dx": ("each output", "每个输出"),
    "tab.dx_gather": ("dX collect", "dX 收集"), "sub.dx_gather": ("each input", "每个输入"),
    "tab.db": ("db", "db"), "sub.db": ("bias", "偏置"),
    "tab.borders": ("borders", "边界"), "sub.borders": ("padding", "填充"),
    "tab.dw_gather": ("dW slide", "dW 滑动"), "sub.dw_gather": ("G as kernel", "以 G 为核"),
    "lead.forward": ("Each output cell is one window of the input times the kernel, added up.",
                     "每个输出格是输入的一个窗口与卷积核逐格相乘再相加。"),
    "lead.matrix": ("Lay every window out as a column: the convolution is one matrix product.",
                    "把每个窗口摊成一列，整个卷积就是一次矩阵乘法。"),
    "lead.dw": ("Every window uses every weight, so dW is a sum over all windows.",
                "每个权重被所有窗口使用，所以它的梯度是对所有窗口求和。"),
    "lead.dx": ("Each output gradient goes back through the taps that made the output; where "
                "windows overlap, gradients add up.",
                "每个输出梯度沿它经过的权重位置原路返回；窗口重叠处，梯度累加。"),
    "lead.dx_gather": ("The same dX, seen from the input: which windows read this cell? "
                       "Seen so, the kernel is turned by 180°.",
                       "同一个 dX，反过来问：哪些窗口读过这个格子？卷积核就此旋转 180°。"),
    "lead.db": ("The bias is added to every output cell, so its gradient is the sum of G.",
                "偏置加在每个输出格上，所以它的梯度就是 G 的总和。"),
    "lead.borders": ("Fewer windows read the cells at the border; padding and a stride that does "
                     "not divide decide where their gradient goes.",
                     "边上的格子被读得少；填充和除不尽的步幅决定梯度落在哪里。"),
    "lead.dw_gather": ("The same dW, tap by tap: G slides over the input like a kernel.",
                       "同一个 dW，逐个权重位置来看：G 像卷积核一样在输入上滑动。"),
    "controls": ("Steps", "步骤控制"), "speed": ("Speed", "速度"),
    "assign": ("assign instead of add (wrong)", "改为赋值而不累加（错误示范）"),
    "turn": ("▶ See it turn", "▶ 看它旋转"),
    "turn.still": ("Picture {k} of {n}", "第 {k} 幅，共 {n} 幅"),
    "turn.windows": ("Window ({i},{j}) reads cell ({r},{q}) through tap ({kh},{kw}): window right, "
                     "tap left; window down, tap up.",
                     "窗口 ({i},{j}) 经权重位置 ({kh},{kw}) 读取格子 ({r},{q})："
                     "窗口右移，权重位置左移；窗口下移，权重位置上移。"),
    "turn.turning": ("Put the taps in the order of their windows: the kernel is turned by 180°.",
                     "把权重按各自的窗口排列：卷积核就旋转了 180°。"),
    "turn.lying": ("Turned like this it lies on G: multiply each pair, add, and that is "
                   "dX({r},{q}).",
                   "转过来的卷积核正好盖在 G 上：逐对相乘再相加，就是 dX({r},{q})。"),
    "present": ("Presentation: the stage and the sentence alone", "演示模式：只显示图与说明"),
    "presenting": ("Presentation mode. P or Esc leaves it.", "演示模式，按 P 或 Esc 退出。"),
    "present.off": ("Presentation mode is off.", "已退出演示模式。"),
    "link.short": ("Link", "链接"), "present.short": ("Present", "演示"),
    "link": ("Copy the link to this picture", "复制当前画面的链接"),
    "copied": ("The link is copied.", "链接已复制。"),
    "reset": ("Reset", "重置"), "reset.long": ("Back to the first numbers", "恢复最初的数值"),
    "tour": ("Tour", "导览"), "numbers": ("Numbers", "数值"),
    "facts": ("Sizes and notes", "尺寸与说明"),
    "numbers.hint": ("Move a slider, or click a number of x, w or G and type.",
                     "拖动滑块，或点击 x、w、G 中的数字直接修改。"),
    "set.H": ("Input rows", "输入行数"), "set.W": ("Input columns", "输入列数"),
    "set.KH": ("Kernel rows", "卷积核行数"), "set.KW": ("Kernel columns", "卷积核列数"),
    "set.stride": ("Stride", "步幅"), "set.padding": ("Padding", "填充"),
    "set.dilation": ("Dilation", "空洞"), "set.C": ("Input chan.", "输入通道"),
    "set.O": ("Output chan.", "输出通道"), "set.groups": ("Groups", "分组数"),
    "set.padding_mode": ("Padding mode", "填充方式"), "set.bias": ("Bias", "偏置"),
    "set.ones": ("G: all ones", "G 全为 1"),
    "set.cropped": ("This is a part of a large convolution, so its sizes are fixed. Numbers can be "
                    "changed; what is not shown stays as it is.",
                    "这里只是一个大卷积的一部分，所以尺寸固定。数字可以修改；未显示的部分保持不变。"),
    "edit": ("{name}, row {r}, column {q}", "{name}，第 {r} 行第 {q} 列"),
    "edit.less": ("one less", "减一"), "edit.more": ("one more", "加一"),
    "self.right": ("✓ checked", "✓ 已核对"), "self.wrong": ("✗ differs", "✗ 不一致"),
    "self.right.long": ("When it loaded, this page computed {count} numbers and compared them with "
                        "those that tinynet computed in Python: all are equal (largest difference "
                        "{error}).",
                        "页面加载时自行算出 {count} 个数，并与 tinynet 在 Python 中算出的比较："
                        "全部一致（最大差 {error}）。"),
    "self.wrong.long": ("The {count} numbers that this page computed differ from those of Python "
                        "(largest difference {error}): please report this.",
                        "本页算出的 {count} 个数与 Python 的不一致（最大差 {error}），"
                        "请告诉我们。"),
    "sum.output": ("output {o}", "输出 {o}"),
    "sum": ("The sum", "求和"),
    "sum.channel": ("channel {c}", "通道 {c}"), "sum.bias": ("bias", "偏置"),
    "sum.from": ("from {from}", "来自 {from}"), "sum.hidden": ("not shown", "未显示"),
    "step": ("Step {k} of {n}", "第 {k} 步，共 {n} 步"),
    "slider": ("Step", "步骤"),
    "first": ("First step", "第一步"), "back": ("Step back", "上一步"),
    "forth": ("Step forward", "下一步"), "last": ("Last step", "最后一步"),
    "play": ("Play", "播放"), "pause": ("Pause", "暂停"),
    "no_motion": ("Your system asks for reduced motion, so the page does not play by itself.",
                  "系统要求减少动画，因此不自动播放。"),
    "help": ("Keys and signs", "按键与图例"), "close": ("Close", "关闭"),
    "theme": ("Light or dark", "浅色或深色"), "language": ("中文", "English"),
    "sample": ("Sample", "样本"), "out_channel": ("Output channel", "输出通道"),
    "in_channel": ("Input channel", "输入通道"),
    "page_rows": ("Rows {first}–{last} of {n}", "第 {first}–{last} 行，共 {n} 行"),
    "page_cols": ("Columns {first}–{last} of {n}", "第 {first}–{last} 列，共 {n} 列"),
    "row": ("row {i}", "第 {i} 行"), "rows": ("rows {i}", "第 {i} 行"),
    "col": ("column {i}", "第 {i} 列"), "cols": ("columns {i}", "第 {i} 列"),
    # -- header ------------------------------------------------------------------------------------
    "fact.size": ("Output size", "输出尺寸"),
    "fact.shapes": ("Shapes", "形状"),
    "fact.parameters": ("Parameters", "参数量"),
    "fact.multiplications": ("Multiplications", "乘法次数"),
    "fact.notes": ("Notes", "说明"), "fact.check": ("Check", "核对"),
    "note.remainder_rows": (
        "Remainder: no window reads {what} of the padded input, so the gradient there is 0.",
        "有余数：填充后输入的{what}从未被读取，所以那里的梯度为 0。"),
    "note.unread": ("No window reads {count} of the pixels (hatched); their gradient is 0.",
                    "有 {count} 个像素从未被任何窗口读取（斜线格），它们的梯度为 0。"),
    "note.crop": ("Shown: a part around output cell ({i},{j}): output rows {rows} of {oh}, columns "
                  "{cols} of {ow}. Accumulators start with what the other windows contribute.",
                  "只显示输出格 ({i},{j}) 周围的一部分：输出行 {rows}（共 {oh} 行），"
                  "列 {cols}（共 {ow} 列）。累加器从其余窗口的贡献开始。"),
    "note.large_window": (
        "The kernel covers more than {cells} cells along an axis, so the grids are shown in pages. "
        "Modes that go from cell to cell visit {cells} × {cells} cells; what the other cells "
        "contribute is included from the start.",
        "卷积核在某个方向上覆盖超过 {cells} 格：网格分页显示，逐格的步骤只走过 "
        "{cells} × {cells} 的一部分，其余部分的贡献一开始就已在其中。"),
    "note.tabs": ("Shown: {shown} of {all} ({what}).",
                  "{what}：只显示全部 {all} 个中的 {shown} 个。"),
    "what.samples": ("samples", "样本"), "what.out_channels": ("output channels", "输出通道"),
    "what.in_channels": ("input channels of each group", "每组输入通道"),
    "note.groups": ("{groups} groups: the outputs of a group ({outs}) read only the input channels "
                    "of the same group ({ins}).",
                    "{groups} 个组：每组的输出通道（{outs} 个）只看同组的输入通道（{ins} 个）。"),
    "note.no_bias": ("The layer has no bias; db shows what the gradient of a bias would be.",
                     "此处没有偏置；db 显示的是若有偏置时的梯度。"),
    "note.ones": ("G, the upstream gradient, is all ones: the loss is the sum of y.",
                  "上游梯度 G 全为 1：即损失为 y 的总和。"),
    "note.given": ("G, the upstream gradient, is the gradient of the loss with respect to y.",
                   "G 是损失对 y 的梯度，由上游传入。"),
    # -- panels ------------------------------------------------------------------------------------
    "panel.x": ("Input x", "输入 x"), "panel.w": ("Kernel w", "卷积核 w"),
    "panel.w_turned": ("w turned 180°", "旋转 180° 的 w"),
    "panel.y": ("Output y", "输出 y"), "panel.g": ("Upstream gradient G", "上游梯度 G"),
    "panel.spread": ("G with zeros", "补零后的 G"),
    "panel.dw": ("Gradient dW", "梯度 dW"), "panel.dx": ("Gradient dX", "梯度 dX"),
    "panel.db": ("Gradient db", "梯度 db"),
    "panel.g_kernel": ("G as the kernel", "以 G 为核"),
    "panel.coverage": ("Windows that read each cell", "读取每格的窗口数"),
    "panel.compare": ("dX under each padding mode (same G)", "各种填充方式下的 dX（同一个 G）"),
    "panel.cols": ("cols = unfold(x)", "cols = unfold(x)"), "panel.cols_t": ("colsᵀ", "colsᵀ"),
    "panel.w_row": ("Kernel w as a row W", "卷积核 w 摊成一行 W"), "panel.w_col": ("Wᵀ", "Wᵀ"),
    "panel.g_row": ("G row", "G 行"),
    "panel.y_row": ("W · cols = y", "W · cols = y"),
    "panel.y_row_bias": ("W · cols + b = y", "W · cols + b = y"),
    "panel.dw_row": ("G · colsᵀ = dW", "G · colsᵀ = dW"),
    "panel.dcols": ("Wᵀ · G, to be folded into dX", "Wᵀ · G，随后折叠成 dX"),
    "panel.matrix": ("The same as a matrix product", "写成矩阵乘法"),
    "panel.matrix_share": (
        "Only the rows of input channel {c} are shown; the product also contains the rows of the "
        "other channels.",
        "此处是输入通道 {c} 的行；其余通道的行也进入同一个乘积。"),
    "panel.matrix_sum": ("One kernel of {outs} is shown; Wᵀ · G sums over all of them.",
                         "只画出 {outs} 个卷积核中的一个；Wᵀ · G 对它们全部求和。"),
    "panel.check": ("Is it true? A numeric check", "真的吗？数值检验"),
    "check.text": ("Move one number up and down by h = 2⁻¹⁰ and compare how far the loss ⟨y, G⟩ "
                   "moves (float64).",
                   "把一个数上下各移动 h = 2⁻¹⁰，看损失 ⟨y, G⟩ 变化多少（float64）。"),
    "check.cell": ("cell", "格子"), "check.now": ("so far", "目前"),
    "check.analytic": ("at the end", "最终"),
    "check.numeric": ("central difference", "中心差分"), "check.error": ("error", "误差"),
    "check.worst": ("Largest error of all cells checked ({count}): {error}",
                    "已检验的 {count} 个格子中最大误差：{error}"),
    "compare.none": ("not possible: this padding needs a larger input",
                     "不可用：这种填充需要更大的输入"),
    # -- what is said of a cell that is pointed at -------------------------------------------------
    "point.x": ("x({r},{q}) = {value}.", "x({r},{q}) = {value}。"),
    "point.x_pad": ("Cell ({r},{q}) is padding and holds {value}.",
                    "格子 ({r},{q}) 是填充，值为 {value}。"),
    "point.readers": ("Windows that read it: {count}. {list}. So a change of it reaches these "
                      "outputs, and the gradients of these outputs come back to it.",
                      "有 {count} 个窗口读取它：{list}。它一变，这些输出跟着变；"
                      "反过来，这些输出的梯度都回到它这里。"),
    "point.unread": ("No window reads it, so it changes nothing and its gradient is 0.",
                     "没有窗口读取它，所以它不影响任何输出，梯度为 0。"),
    "point.w": ("Tap ({kh},{kw}) = {value}. Every window multiplies it by the cell that it reads "
                "there, {count} times in all; so dW({kh},{kw}) = {sum} is a sum over all windows.",
                "权重位置 ({kh},{kw}) = {value}。每个窗口都用它乘以自己读到的格子，共 {count} 次；"
                "所以 dW({kh},{kw}) = {sum} 是对所有窗口求和。"),
    "point.g": ("G[{i},{j}] = {value}: if y[{i},{j}] grows by a little, the loss grows by {value} "
                "times as much.",
                "G[{i},{j}] = {value}：y[{i},{j}] 增加一点点，损失就增加它的 {value} 倍。"),
    "point.coverage": ("Windows that read cell ({r},{q}): {count}. From so many windows a gradient "
                       "comes back to it.",
                       "读取格子 ({r},{q}) 的窗口有 {count} 个，就有这么多份梯度回到它这里。"),
    "point.cols": ("This is cell ({r},{q}) of the input, {value}: tap ({kh},{kw}) of window "
                   "({i},{j}) reads it.",
                   "这是输入的格子 ({r},{q})，值为 {value}：窗口 ({i},{j}) 的权重位置 ({kh},{kw}) "
                   "读取它。"),
    "point.dcols": ("Window ({i},{j}) sends {value} back through tap ({kh},{kw}); fold adds it to "
                    "cell ({r},{q}).",
                    "窗口 ({i},{j}) 经权重位置 ({kh},{kw}) 送回 {value}；fold 把它加到格子 "
                    "({r},{q})。"),
    "relu.off": ("The gradient is 0 here because ReLU was off (y = {y}).",
                 "这里的梯度为 0，因为 ReLU 在此处关闭（y = {y}）。"),
    "mark.contributions": ("contributions {k} of {n}", "贡献 {k}/{n}"),
    "mark.pad": ("padding", "填充"), "mark.unread": ("never read", "从未读取"),
    "mark.cut": ("cut off", "被裁掉"), "mark.zero": ("inserted zero", "插入的零"),
    "mark.empty": ("not yet computed", "尚未计算"),
    "mark.gap": ("gap of the dilation", "空洞"), "mark.pinned": ("pinned", "已固定"),
    "mark.hidden": ("not shown", "未显示"),
    "mark.wrong": ("wrong", "错误"),
    # -- help --------------------------------------------------------------------------------------
    "key.modes": ("choose what to watch", "选择模式"),
    "key.step": ("one step back or forward", "后退或前进一步"),
    "key.ends": ("first or last step", "第一步或最后一步"),
    "key.space": ("play or pause", "播放或暂停"),
    "key.tab": ("to the next panel", "到下一个面板"),
    "key.arrows": ("inside a panel: from cell to cell", "面板内：在格子间移动"),
    "key.enter": ("pin the cell; cells used with it stay lit", "固定该格，相关格子保持高亮"),
    "key.edit": ("change the number of the cell (or click it)", "修改该格的数字（或点击它）"),
    "key.turn": ("see the kernel turn", "看卷积核旋转"),
    "key.present": ("presentation: stage and sentence alone", "演示模式：只显示图与说明"),
    "key.esc": ("unpin the cell", "取消固定"), "key.help": ("this help", "本帮助"),
    "legend.focus": ("thick outline: the cell that this step computes", "粗框：本步计算的格子"),
    "legend.lit": ("filled: cells that take part", "填色：参与计算的格子"),
    "legend.pad": ("dashed: padding", "虚线：填充"),
    "legend.unread": ("hatched: never read", "斜线：从未读取"),
    # -- formulas and code -------------------------------------------------------------------------
    "formula.forward": ("<i>y</i>[o,i,j] = <i>b</i>[o] + Σ<sub>c,kh,kw</sub> "
                        "<i>x</i>[c, i·s+kh·d−p, j·s+kw·d−p] · <i>w</i>[o,c,kh,kw]",) * 2,
    "formula.matrix": ("<i>y</i> = <i>W</i> · cols &nbsp; (O × CK²) · (CK² × P)",) * 2,
    "formula.dw": ("d<i>W</i>[o,c,kh,kw] = Σ<sub>n,i,j</sub> <i>G</i>[o,i,j] · "
                   "<i>x</i>[c, i·s+kh·d−p, j·s+kw·d−p] &nbsp;=&nbsp; <i>G</i> · colsᵀ",) * 2,
    "formula.dx": ("d<i>X</i> = fold(<i>W</i>ᵀ · <i>G</i>): &nbsp; "
                   "d<i>X</i>[c, i·s+kh·d−p, j·s+kw·d−p] += "
                   "Σ<sub>o</sub> <i>w</i>[o,c,kh,kw] · <i>G</i>[o,i,j]",) * 2,
    "formula.dx_gather": (
        "d<i>X</i>[c,r,q] = Σ<sub>o,kh,kw</sub> <i>w</i>[o,c,kh,kw] · "
        "<i>G</i>[o, (r+p−kh·d)/s, (q+p−kw·d)/s] &nbsp;where that index exists",
        "d<i>X</i>[c,r,q] = Σ<sub>o,kh,kw</sub> <i>w</i>[o,c,kh,kw] · "
        "<i>G</i>[o, (r+p−kh·d)/s, (q+p−kw·d)/s] &nbsp;（仅当该下标存在）"),
    "formula.dw_gather": (
        "d<i>W</i>[o,c,kh,kw] = Σ<sub>n,i,j</sub> <i>G</i>[n,o,i,j] · "
        "<i>x</i>[n, c, kh·d + i·s − p, kw·d + j·s − p]",) * 2,
    "formula.db": ("d<i>b</i>[o] = Σ<sub>n,i,j</sub> <i>G</i>[n,o,i,j]",) * 2,
    "formula.borders": (
        "d<i>X</i> = padᵀ(fold(<i>W</i>ᵀ · <i>G</i>)) &nbsp; "
        "the transpose of padding: crop, or add to the copied pixel",
        "d<i>X</i> = padᵀ(fold(<i>W</i>ᵀ · <i>G</i>)) &nbsp; 填充的转置：裁掉，或加回原像素"),
    "code.matrix": ("y = w.reshape(O, -1) @ F.unfold(x, K, d, p, s)",) * 2,
    "code.dw": ("dW = (G @ cols.transpose(1, 2)).sum(0)            "
                "# cols = F.unfold(x, K, d, p, s)",) * 2,
    "code.dx": ("dX = F.fold(w.reshape(O, -1).T @ G, (H, W), K, d, p, s)",) * 2,
    "code.dx_gather": ("dX = F.conv_transpose2d(G, w, stride=s, padding=p, dilation=d)",) * 2,
    "code.dw_gather": ("dW = F.conv2d(x.transpose(0, 1), G.transpose(0, 1), stride=d, padding=p, "
                       "dilation=s).transpose(0, 1)[:, :, :KH, :KW]",) * 2,
    "code.db": ("db = G.sum((0, 2, 3))",) * 2,
    "code.borders": (
        "dX = dXpad[:, :, p:p + H, p:p + W]    # never [p:-p]: that is empty when p = 0",
        "dX = dXpad[:, :, p:p + H, p:p + W]    # 不要写 [p:-p]：p = 0 时它是空的"),
    # -- tables that need no script, and the terminal ----------------------------------------------
    "static": ("The final numbers, as tables", "最终数值表"),
    "static.y": ("y, sample {n}, output channel {o}", "y，样本 {n}，输出通道 {o}"),
    "static.dx": ("dX, sample {n}, input channel {c}", "dX，样本 {n}，输入通道 {c}"),
    "static.dw": ("dW, output channel {o}, input channel {c}", "dW，输出通道 {o}，输入通道 {c}"),
    "static.db": ("db, output channel {o}", "db，输出通道 {o}"),
    "static.coverage": ("coverage: how many windows read each cell",
                        "覆盖次数：每个格子被多少个窗口读取"),
    "noscript": ("JavaScript is off, so only the final numbers are shown. With JavaScript, this "
                 "page shows step by step how they are computed.",
                 "JavaScript 已关闭：以下是最终数值。开启后，本页会一步步展示它们的由来。"),
    "terminal.steps": ("First steps ({mode}):", "前几步（{mode}）："),
    "terminal.more": ("… {count} more; .steps({mode!r}) lists them all, .save('conv.html') draws "
                      "them.",
                      "…… 还有 {count} 步；.steps({mode!r}) 列出全部，.save('conv.html') 画出来。"),
    # -- graph -------------------------------------------------------------------------------------
    "graph.title": ("The graph of a computation", "计算图"),
    "graph.facts": ("{operations} operations, {leaves} tensors that collect a gradient, {boxes} "
                    "boxes. Results flow down, gradients flow up.",
                    "{operations} 个运算，{leaves} 个收集梯度的张量，{boxes} 个方框。"
                    "结果向下流，梯度向上回。"),
    "graph.folded": ("The graph has more than {limit} boxes, so operations are folded by module.",
                     "超过 {limit} 个方框，因此按模块折叠。"),
    "graph.no_gradient": ("no gradient yet", "尚无梯度"),
    "graph.operations": ("{count} operations: {names}", "{count} 个运算：{names}"),
    "graph.parameters": ("{count} parameters", "{count} 个参数"),
}
